import { expect } from 'vitest';
import { emailHash } from '../../src/secrets/email-hash.ts';
import { addUser } from '../support/pool-user.ts';
import type { Program } from '../support/program.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', {
  env: { LOG_LEVEL: 'trace', RETRY_BUDGET_SECONDS: '1', COMPENSATION_BUDGET_SECONDS: '1' },
});

type Line = Readonly<Record<string, unknown>>;

const PEOPLE = ['quick', 'throttled', 'doomed', 'stranger', 'cancelled', 'waits', 'door'];
/** What no line may show, and each of them is sent. */
const FIRST_NAME = 'Zebedeia';
const LAST_NAME = 'Quillfeather';
const USERNAME = 'zebedeia-the-first';
const WHOLE = { firstName: FIRST_NAME, lastName: LAST_NAME, username: USERNAME };
const emailOf = (name: string) => `${name}.person@secretive.example`;

const programs: Program[] = [];
const ids = new Map<string, string>();

test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
});

/** All that was logged; whatever else the processes printed is no JSON and throws. */
function lines(): Line[] {
  return programs.flatMap((program) =>
    program
      .output()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line),
  );
}
const of = (name: string) => lines().filter((line) => line['registrationId'] === ids.get(name));

test('registrations and harmful requests run to their ends before the log is checked', async ({
  deployment,
}) => {
  await deployment.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      match: { email: 'throttled*' },
      times: 2,
      fault: { kind: 'throttle' },
    },
    {
      operation: 'AdminAddUserToGroup',
      match: { email: 'doomed*' },
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
    {
      operation: 'AdminDeleteUser',
      match: { email: 'doomed*' },
      times: 1,
      fault: { kind: 'server' },
    },
    { operation: 'AdminAddUserToGroup', match: { email: 'waits*' }, fault: { kind: 'refused' } },
    { operation: 'AdminAddUserToGroup', match: { email: 'cancelled*' }, fault: { kind: 'server' } },
  ]);
  await addUser(deployment.pool, emailOf('stranger'), { mark: emailOf('marked') });
  const api = await deployment.api({ IN_PROCESS_WORKER: 'false' });
  const worker = await deployment.worker();
  programs.push(api, worker);
  const register = async (name: string, more = {}): Promise<void> => {
    const body = { email: emailOf(name), roles: ['viewer'], ...more };
    const answer = await deployment.call(api, 'POST', '/registrations', body);
    expect(answer.status).toBe(202);
    ids.set(name, String(answer.body['id']));
  };
  await register('quick', WHOLE);
  for (const name of ['throttled', 'doomed', 'stranger', 'cancelled', 'waits'])
    await register(name);
  const ended = (name: string, status: string) =>
    deployment.untilStatus(api, ids.get(name) ?? '', status, 60_000);
  await ended('quick', 'completed');
  await ended('throttled', 'completed');
  await ended('doomed', 'failed');
  await ended('stranger', 'failed');
  await ended('waits', 'roles_pending');
  await deployment.call(api, 'POST', `/registrations/${ids.get('cancelled')}/cancel`, {
    reason: FIRST_NAME,
  });
  await ended('cancelled', 'cancelled');
  const door = { email: emailOf('door'), roles: ['viewer'] };
  const { headers } = await deployment.call(api, 'POST', '/api/step/users', door);
  ids.set('door', headers.get('location')?.split('/').at(-1) ?? '');

  const token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJoYXJtIn0.c2ln';
  for (const path of [
    `/registrations/${emailOf('quick')}`,
    `/registrations?email=${emailOf('quick')}`,
    `/${token}/${LAST_NAME}`,
    `/registrations?cursor=${token}`,
  ]) {
    await deployment.call(api, 'GET', path);
  }
  await deployment.call(api, 'GET', '/roles', undefined, { authorization: `Bearer ${token}` });
  await deployment.call(api, 'GET', '/roles', undefined, { 'x-request-id': emailOf('quick') });
  const again = { email: emailOf('quick'), roles: ['viewer'] };
  expect((await deployment.call(api, 'POST', '/registrations', again)).status).toBe(409);
  const wrong = {
    email: { $ne: emailOf('quick') },
    roles: [LAST_NAME],
    password: 'Hunter2Hunter2',
  };
  expect((await deployment.call(api, 'POST', '/registrations', wrong)).status).toBe(422);
  for (const program of programs) {
    program.signal('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
  }
});

test('every log line is JSON with level, time and process', () => {
  const all = lines();
  expect(all.length).toBeGreaterThan(100);
  for (const line of all) {
    expect(line).toMatchObject({ level: expect.any(Number), time: expect.any(Number) });
    expect(['api', 'worker']).toContain(line['process']);
    expect(line['msg']).toEqual(expect.any(String));
  }
});

test('no log line holds an address, a name or a token', () => {
  const text = programs.map((program) => program.output()).join('');
  for (const secret of [
    ...[...PEOPLE, 'marked'].map(emailOf),
    'secretive.example',
    FIRST_NAME,
    LAST_NAME,
    USERNAME,
    'Hunter2',
    'eyJ',
    'Bearer',
  ]) {
    expect(text).not.toContain(secret);
  }
});

test('every log line about a registration carries its id', () => {
  const astray = lines().filter((line) => {
    const text = JSON.stringify(line);
    return [...ids.values()].some((id) => text.includes(id) && line['registrationId'] !== id);
  });
  expect(astray).toEqual([]);
  expect(ids.size).toBe(PEOPLE.length);
});

test.each([
  ['quick', ['request', 'Workflow started', 'registration completed']],
  ['throttled', ['provider error', 'Activity failed', 'registration completed']],
  ['doomed', ['registration compensating', 'Activity failed', 'registration failed']],
  ['stranger', ['provider error', 'registration failed']],
  ['cancelled', ['registration compensating', 'registration cancelled']],
  ['waits', ['request', 'provider error', 'registration parked']],
  ['door', ['request', 'registration completed']],
])('the log tells how %s ends', (name, expected) => {
  const messages = new Set(of(name).map((line) => line['msg']));
  expect([...messages]).toEqual(expect.arrayContaining(expected));
});

test('the hash of an address finds its accepted, refused and closed registrations in the log', () => {
  const found = lines().filter((line) => line['emailHash'] === emailHash(emailOf('quick')));
  const requests = found.filter((line) => line['msg'] === 'request');
  expect(requests.map((line) => [line['route'], line['status']])).toEqual([
    ['/registrations', 202],
    ['/registrations', 409],
  ]);
  expect(found.map((line) => line['msg'])).toContain('registration completed');
});

test('API and worker warn of each unsafe setting once at their start, and start', async ({
  deployment,
}) => {
  const env = {
    ROLE_GRANTS: 'group:admin=*;group:manager=admin',
    COGNITO_JWKS_URL: 'http://keys.secretive.example/jwks.json',
  };
  const api = await deployment.api({ ...env, IN_PROCESS_WORKER: 'false' });
  const worker = await deployment.worker(env);
  for (const program of [api, worker]) {
    program.signal('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    for (const variable of [
      'ROLE_GRANTS: group:manager may grant admin',
      'COGNITO_JWKS_URL: http',
    ]) {
      const warnings = program.output().match(new RegExp(`"level":40[^\n]*"${variable}`, 'g'));
      expect(warnings).toHaveLength(1);
    }
  }
});
