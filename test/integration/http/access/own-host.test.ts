import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { createHostCheck } from '../../../../src/config/local-hosts.ts';
import { createHttpServer } from '../../../../src/http/server.ts';
import { type ApiUnderTest } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

/** A web page whose name resolves to this machine (DNS rebinding) and the doors of ENVIRONMENT=local. */

const seed = (api: ApiUnderTest, bound: string | null, host: string) =>
  api.call(`http://${host}/api/v1/private/users/`, {
    method: 'POST',
    token: null,
    json: { email: 'seeded@example.com', password: 'too-short' },
    app: api.app({
      doors: new Set(['seeding']),
      local: bound === null ? null : { acceptsHost: createHostCheck(bound), mailbox: '' },
    }),
  });

test.for(['rebound.example', 'rebound.example:3000', 'localhost.example', '192.0.2.7:3000'])(
  'local: a request to the host %s is refused before any door sees it',
  async (host, { api }) => {
    const answer = await seed(api, '127.0.0.1', host);
    expect([answer.status, answer.body]).toEqual([
      403,
      {
        type: '/problems/forbidden',
        title: 'Forbidden',
        status: 403,
        code: 'forbidden',
        detail:
          'With ENVIRONMENT=local, the Host header must be a loopback name or the address in HOST.',
        instance: `urn:uuid:${answer.headers.get('x-request-id')}`,
      },
    ]);
    const [{ count } = { count: -1 }] = await api.sql`SELECT count(*)::int FROM registrations`;
    expect(count).toBe(0);
  },
);

test.for(['localhost:3000', 'LOCALHOST', 'app.localhost', '127.0.0.1:3000', '[::1]:3000'])(
  'local: a request to the host %s reaches the door',
  async (host, { api }) => {
    expect((await seed(api, '127.0.0.1', host)).status).toBe(422);
  },
);

test('local: the bound host name passes, and every address passes when all are bound', async ({
  api,
}) => {
  expect((await seed(api, 'workstation', 'workstation:3000')).status).toBe(422);
  expect((await seed(api, 'workstation', '192.0.2.7')).status).toBe(403);
  for (const bound of ['0.0.0.0', '::']) {
    expect((await seed(api, bound, '192.0.2.7')).status).toBe(422);
    expect((await seed(api, bound, '[2001:db8::7]:3000')).status).toBe(422);
    expect((await seed(api, bound, 'rebound.example')).status).toBe(403);
  }
});

test('outside ENVIRONMENT=local any host passes and HTTPS is required for a year', async ({
  api,
}) => {
  const elsewhere = await seed(api, null, 'registrar.example.com');
  expect(elsewhere.status).toBe(422);
  const name = 'strict-transport-security';
  expect(elsewhere.headers.get(name)).toBe('max-age=31536000; includeSubDomains');
  expect((await seed(api, '127.0.0.1', 'localhost')).headers.get(name)).toBeNull();
});

test('the Host header decides which host a request is for', async ({ api }) => {
  const local = { acceptsHost: createHostCheck('127.0.0.1'), mailbox: '' };
  const server = createHttpServer(api.app({ local }).fetch, api.deps.logger);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const statusFor = async (host: string): Promise<number | undefined> => {
    const asked = request({ port, host: '127.0.0.1', path: '/health/live', headers: { host } });
    const [answer] = await once(asked.end(), 'response');
    answer.resume();
    return answer.statusCode;
  };
  expect(await statusFor('rebound.example')).toBe(403);
  expect(await statusFor(`localhost:${port}`)).toBe(200);
  server.closeAllConnections();
  server.close();
});
