import { expect } from 'vitest';
import { anyFreePort } from '../../dev/stack/ports.ts';
import type { Api } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

let api: Api;
test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
  api = await deployment.api();
});

test('npm run request sends fields as query parameters of a GET and as the body of others', async ({
  deployment,
}) => {
  const env = { API: api.url, TOKEN: deployment.token };
  const request = (...args: string[]) => deployment.command('cli/request.ts', env, args);
  const email = 'ada+1@example.com';
  const fields = [`email=${email}`, 'roles:=["viewer"]', 'firstName=Ada = A:=1'];
  const accepted = await request('POST', '/registrations', ...fields);
  expect(accepted.code).toBe(0);
  const id = accepted.output.split(' ', 1)[0] ?? '';
  const { body } = await deployment.untilStatus(api, id, 'completed', 60_000);
  expect(body).toMatchObject({ email, roles: ['viewer'], firstName: 'Ada = A:=1' });

  const found = await request('GET', '/registrations', `email=${email}`, 'status=completed');
  expect(found.code).toBe(0);
  expect(found.output).toMatch(new RegExp(`^${id} completed .*\n1 found\n$`));
  const none = await request('GET', '/registrations', `email=${email}`, 'status=failed');
  expect(none.output).toBe('0 found\n');
});

test('npm run request prints a problem in short lines and exits with 1', async ({ deployment }) => {
  const env = { API: api.url, TOKEN: deployment.token };
  const request = (...args: string[]) => deployment.command('cli/request.ts', env, args);
  expect(await request('POST', '/registrations', 'email=nobody')).toEqual({
    code: 1,
    output: expect.stringMatching(
      /^422 invalid_request: .*\n {2}#\/email: .*\n {2}#\/roles: .*\n$/,
    ) as unknown,
  });
  const stranger = await deployment.command('cli/request.ts', { ...env, TOKEN: 'x' }, [
    'GET',
    '/overview',
  ]);
  expect(stranger).toEqual({
    code: 1,
    output: '401 unauthenticated: A valid bearer access token is required.\n',
  });
});

test('npm run request says what is wrong before it sends anything', async ({ deployment }) => {
  const { token } = deployment;
  const request = (env: Record<string, string>, ...args: string[]) =>
    deployment.command('cli/request.ts', env, args);
  const env = { API: api.url, TOKEN: token };
  for (const [args, message] of [
    [['PATCH', '/x'], 'usage: npm run --silent request'],
    [['GET', 'overview'], 'usage: npm run --silent request'],
    [['GET', '//127.0.0.1:1/overview'], '//127.0.0.1:1/overview is no path of the API.'],
    [['GET', String.raw`/\\127.0.0.1:1/overview`], 'is no path of the API.'],
    [['POST', '/registrations', 'email'], 'email is no field.'],
    [['POST', '/registrations', 'roles:=[viewer]'], 'The value of roles is not valid JSON.'],
  ] as const) {
    const { code, output } = await request(env, ...args);
    expect({ code, output }).toMatchObject({ code: 1 });
    expect(output).toContain(message);
  }
  const missing = await request({ API: api.url }, 'GET', '/overview');
  expect(missing.code).toBe(1);
  expect(missing.output).toContain('API or TOKEN is missing: see "Get a token"');
  const away = `http://127.0.0.1:${await anyFreePort()}`;
  expect(await request({ API: away, TOKEN: token }, 'GET', '/overview')).toEqual({
    code: 1,
    output: `The API at ${away} does not answer: ECONNREFUSED\n`,
  });
});
