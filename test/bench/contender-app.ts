import { OpenAPIHono } from '@hono/zod-openapi';
import type { Registration } from '../../src/domain/registration.ts';
import type { AppDeps, AppEnv } from '../../src/http/app-deps.ts';
import { requestIds, requestLog, safeHeaders } from '../../src/http/middleware.ts';
import { BEARER, mount, refuseOtherMethods } from '../../src/http/openapi/mount.ts';
import { answerError } from '../../src/http/problems/answer-error.ts';
import { acceptForCaller } from '../../src/http/registrations/accept-for-caller.ts';
import { receiptOf } from '../../src/http/registrations/receipt-queries.ts';
import { newRegistration, toWanted } from '../../src/http/registrations/registration-body.ts';
import { readJson } from '../../src/http/request/body.ts';
import { parse } from '../../src/http/request/validate.ts';

/** Does the rest of an accepted registration. Answers the completed row. */
export type Register = (accepted: Registration) => Promise<Registration>;

/** Registrar's own `POST /registrations`, with something else behind the accept row. */
export function contenderApp(deps: AppDeps, register: Register): OpenAPIHono<AppEnv> {
  const api = new OpenAPIHono<AppEnv>();
  api.use(requestIds(), requestLog(deps.logger, deps.metrics), safeHeaders(true));
  api.use(refuseOtherMethods(api));
  const body = newRegistration(deps);
  const route = {
    method: 'post',
    path: '/registrations',
    security: BEARER,
    responses: {},
  } as const;
  mount(api, deps, route, async (c) => {
    const wanted = toWanted(deps, parse(body, await readJson(c)));
    const { registration } = await acceptForCaller(deps, c, null, wanted);
    const row = await register(registration);
    c.header('Location', `/registrations/${row.id}`);
    return c.json(await receiptOf(deps, row, []), 201);
  });
  api.get('/health/ready', (c) => c.text('ready'));
  api.onError((error, c) => answerError(c, error, deps.logger));
  return api;
}
