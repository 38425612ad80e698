import registrar from '../../../package.json' with { type: 'json' };
import type { AppDeps } from '../app-deps.ts';
import type { Api } from './mount.ts';
import { mountReader } from './reader.ts';

const DESCRIPTION = `Registers users: the account in Cognito, its roles, the audit trail, or none of it.
Errors are RFC 9457 problems, at some doors a plain detail; every answer names its request in \`X-Request-Id\`.`;

/** The document and its reader. To be called when every operation is mounted. */
export function mountDocument(api: Api, deps: Pick<AppDeps, 'doors'>): void {
  api.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token of the pool.',
  });
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Registrar', version: registrar.version, description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Registrations' },
      { name: 'Roles' },
      { name: 'Audit' },
      ...[...deps.doors].map((door) => ({ name: `Door: ${door}` })),
      { name: 'Health' },
    ],
  });
  api.get('/', (c) => c.redirect('/docs', 302));
  api.get('/openapi.json', (c) => c.json(document, 200));
  mountReader(api, document.info.title);
}
