import { readdir } from 'node:fs/promises';
import {
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  ListUsersCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sandboxClient } from '../../dev/cognito/client.ts';
import type { Mail } from '../../dev/cognito/mailbox.ts';
import { REPOSITORY, run } from '../support/program.ts';
import { call, Newcomer } from './newcomer.ts';

const OPERATORS = [
  ['status', 'worker: ok'],
  ['compare-pool', '"orphan":0'],
  ['verify-audit', 'The audit trail is intact'],
  ['verify-replay', 'All replays succeeded'],
] as const;

let newcomer: Newcomer;
beforeAll(async () => {
  newcomer = await Newcomer.arrive();
});
afterAll(() => newcomer.leave());

async function mailedTo(endpoint: string): Promise<string[]> {
  const answer = await fetch(`${endpoint}/_sandbox/mail`);
  const { items } = (await answer.json()) as { items: Mail[] };
  return items.map(({ to }) => to);
}

/** An operator's commands find what runs here, unless the environment names something else. */
async function operates(): Promise<void> {
  const clean = { code: 0, output: expect.stringContaining('"eventsAppended":0') as unknown };
  expect(await newcomer.npm('run', 'sweep')).toMatchObject(clean);
  const checked = await newcomer.npm('run', '--silent', 'setup', '--', '--check');
  const said = checked.output
    .split('\n')
    .filter((line) => !/^(npm warn .*|using the services .*|)$/.test(line));
  expect({ code: checked.code, said }).toEqual({ code: 0, said: [] });
  for (const [script, says] of OPERATORS) {
    const done = await newcomer.npm('run', script);
    expect({ script, ...done }).toMatchObject({ code: 0, output: expect.stringContaining(says) });
  }
  const env = { REGISTRAR_HOME: newcomer.home, DATABASE_URL: 'postgres://elsewhere/registrar' };
  const named = await run({ command: 'npm', args: ['run', 'sweep'], cwd: REPOSITORY, env });
  const missing = expect.stringContaining('COGNITO_USER_POOL_ID: missing') as unknown;
  expect(named).toMatchObject({ code: 1, output: missing });
  // What fits the runs here says nothing about the Temporal of that file.
  const profiles = {
    REGISTRAR_HOME: newcomer.home,
    TEMPORAL_CONFIG_FILE: '/elsewhere/temporal.toml',
  };
  const replay = { command: 'npm', args: ['run', 'verify-replay'], cwd: REPOSITORY, env: profiles };
  const away = expect.stringContaining('TEMPORAL_ADDRESS: missing') as unknown;
  expect(await run(replay)).toMatchObject({ code: 1, output: away });
}

test('npm start serves the printed curl and all parts, and a second start keeps the data', async () => {
  const first = await newcomer.start();
  const email = /[\w-]+@example\.com/.exec(first.curl)?.[0];
  const { status, receipt } = await newcomer.paste(first.curl);
  const timeline = expect.arrayContaining([
    expect.objectContaining({ event: 'registration.requested' }),
    expect.objectContaining({ event: 'user.registered' }),
  ]) as unknown;
  expect({ status, receipt }).toMatchObject({
    status: 201,
    receipt: {
      status: 'completed',
      email,
      roles: ['viewer'],
      failure: null,
      timeline,
    },
  });
  const { id, userId } = receipt;

  const { endpoint, UserPoolId } = await newcomer.sandbox();
  const pool = sandboxClient(endpoint);
  const ofUser = { UserPoolId, Username: email };
  const user = await pool.send(new AdminGetUserCommand(ofUser));
  expect(user.UserAttributes).toEqual(
    expect.arrayContaining([
      { Name: 'sub', Value: userId },
      { Name: 'custom:registration_id', Value: id },
    ]),
  );
  const { Groups } = await pool.send(new AdminListGroupsForUserCommand(ofUser));
  expect(Groups?.map(({ GroupName }) => GroupName)).toEqual(['viewer']);

  const bearer = await newcomer.token();
  const trail = `${first.api}/audit-events?event=user.registered&userId=${String(userId)}`;
  const registered = { event: 'user.registered', registrationId: id, userId };
  expect(await call(trail, bearer)).toMatchObject({ status: 200, body: { items: [registered] } });
  await expect.poll(() => mailedTo(endpoint), { timeout: 30_000 }).toContain(email);
  await expect
    .poll(() => call(`${first.api}/registrations/${String(id)}`, bearer), { timeout: 30_000 })
    .toMatchObject({ body: { invitation: { status: 'sent' } } });

  const door = await call(`${first.api}/api/users`, bearer, { email: 'grace@example.com' });
  expect(door).toMatchObject({ status: 201, body: { email: 'grace@example.com', roles: [] } });
  const step = { email: 'joan@example.com', roles: ['viewer', 'researcher'] };
  const stepped = await call(`${first.api}/api/step/users`, bearer, step);
  expect(stepped).toMatchObject({ status: 201, body: { ...step, status: 'completed' } });
  const viewer = await newcomer.token('--role', 'viewer', '--email', 'v@example.com');
  expect(await call(`${first.api}/api/users`, viewer, step)).toMatchObject({ status: 403 });
  await operates();
  const inUse = await newcomer.npm('run', 'reset');
  expect(inUse).toMatchObject({ code: 1, output: expect.stringContaining('in use') });

  // Ctrl-C of a terminal: the whole foreground group hears it.
  expect(await newcomer.end(first, (pid) => process.kill(-pid, 'SIGINT'))).toEqual([]);
  const second = await newcomer.start();
  expect(second.tookMs).toBeLessThan(60_000);
  const again = await call(`${second.api}/registrations/${String(id)}`, await newcomer.token());
  expect(again).toMatchObject({ status: 200, body: { status: 'completed', timeline } });
  expect((await newcomer.paste(first.curl.replace(first.api, second.api))).receipt).toMatchObject({
    code: 'email_taken',
    registrationId: id,
  });
  // The state is that of before, and what is printed works all the same.
  expect(await newcomer.paste(second.curl)).toMatchObject({ status: 201 });
  const { Users } = await pool.send(new ListUsersCommand({ UserPoolId }));
  expect(Users).toHaveLength(6);
  pool.destroy();

  expect(await newcomer.end(second, (pid) => process.kill(pid, 'SIGTERM'))).toEqual([]);
  expect((await newcomer.npm('run', 'reset')).code).toBe(0);
  expect(await readdir(newcomer.home).catch(() => [])).toEqual([]);
}, 240_000);
