import registrar from '../../../package.json' with { type: 'json' };
import type { AppDeps } from '../app-deps.ts';
import type { Api } from './mount.ts';
import { mountReader } from './reader.ts';

const DESCRIPTION = `Registers users: creates the account in Cognito, its roles and the audit trail, or nothing at all.
Errors are RFC 9457 problems; the public doors respond with \`detail\` instead. Every response has an \`X-Request-Id\`.`;

/** Mounts the document and its reader. Must be called after every operation is mounted. */
export function mountDocument(api: Api, deps: Pick<AppDeps, 'doors'>): void {
  api.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token of the user pool.',
  });
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Registrar', version: registrar.version, description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Registrations' },
      { name: 'Users' },
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
