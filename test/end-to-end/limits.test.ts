import { randomBytes, randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type Api } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', {
  env: {
    DOORS: 'signup',
    SIGNUP_MODE: 'async',
    IN_PROCESS_WORKER: 'false',
    REGISTER_LIMIT_PER_MINUTE: '3',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
  },
});

/** Limits over real sockets, with two API processes. */

async function register(api: Api, forwardedFor?: string) {
  const answer = await fetch(`${api.url}/auth/register`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
    },
    body: JSON.stringify({ email: `${randomUUID()}@example.com`, password: 'Analytical1' }),
  });
  await answer.arrayBuffer();
  return answer;
}
const statuses = async (answers: Promise<Response>[]) =>
  (await Promise.all(answers)).map(({ status }) => status).toSorted();

test('two API processes share the limits of each client behind the proxy', async ({
  deployment,
}) => {
  const behind = { TRUSTED_PROXIES: '1' };
  const apis = [await deployment.api(behind), await deployment.api(behind)] as const;
  for (const client of ['::ffff:203.0.113.1', '2001:db8::1']) {
    const all = [...apis, ...apis, ...apis].map((api, n) =>
      register(api, `10.0.0.${n}, ${client}`),
    );
    expect(await statuses(all)).toEqual([202, 202, 202, 429, 429, 429]);
  }
  expect((await register(apis[0], '203.0.113.1')).status).toBe(429);
  const limited = await register(apis[0], '2001:db8::ffff');
  expect(limited.status).toBe(429);
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
  // Another /64 of the same /56, which has twice the limit, and another /56.
  const neighbours = [1, 2, 3].map((n) => register(apis[n % 2] ?? apis[0], `2001:db8:0:1::${n}`));
  expect(await statuses(neighbours)).toEqual([202, 202, 202]);
  expect((await register(apis[1], '2001:db8:0:2::1')).status).toBe(429);
  expect((await register(apis[1], '2001:db8:0:100::1')).status).toBe(202);
});

test('without trusted proxies the API ignores X-Forwarded-For and logs once that it is present', async ({
  deployment,
}) => {
  const api = await deployment.api();
  const all = Array.from({ length: 5 }, (_, n) => register(api, `203.0.113.${n}`));
  expect(await statuses(all)).toEqual([202, 202, 202, 429, 429]);
  expect(api.output().match(/TRUSTED_PROXIES is 0/g)).toHaveLength(1);
});
