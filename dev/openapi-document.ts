import { createPasswordPolicy } from '../src/domain/password-policy.ts';
import { createApp, type AppDeps } from '../src/http/app.ts';

const DOORS = ['users', 'step', 'signup', 'session', 'seeding'];

/** The OpenAPI document with every door open, as `GET /openapi.json` serves it under `npm start`. */
export async function openApiDocument(): Promise<string> {
  const app = createApp(documentDeps());
  const response = await app.request('/openapi.json');
  return `${JSON.stringify(await response.json(), null, 2)}\n`;
}

/** What the routes are mounted with. Requests for the document use no service. */
function documentDeps(): AppDeps {
  const ignore = () => undefined;
  const settings = {
    doors: new Set(DOORS),
    signupMode: 'sync',
    signupVerification: 'optional',
    publicMailsPerDay: null,
    afterwards: (work) => void work(),
    passwordPolicy: createPasswordPolicy('composition', new Set()),
    attributes: [],
    sealing: { seal: unused },
    secret: unused,
    corsOrigins: [],
    local: null,
    trace: null,
    servesMetrics: true,
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    metrics: { observeRequest: ignore, contentType: 'text/plain', text: unused },
  } satisfies Partial<AppDeps>;
  return settings as unknown as AppDeps;
}

function unused(): never {
  throw new Error('the OpenAPI document needs no service');
}
