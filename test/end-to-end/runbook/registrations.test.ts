import { randomUUID } from 'node:crypto';
import {
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OnCall, line, SECTIONS, testSections } from './on-call.ts';
import { DEPENDENCIES, PEOPLE, REGISTRATIONS, RUNS } from './sections.ts';

const ADD_ROLE = 'AdminAddUserToGroup';
const AWAY = { kind: 'server', status: 503 } as const;
const NO_GROUP = { kind: 'error', error: 'ResourceNotFoundException' } as const;
const ADA = 'ada@example.com';
const ROLES = ['viewer'];
/** Takes steps from the quota for some seconds, one each. */
const CROWD = 20;

let onCall: OnCall;
const ids = new Map<string, string>();
const idOf = (name: string) => ids.get(name) ?? '';
const emailOf = (name: string) => `${name}@example.com`;

beforeAll(async () => {
  onCall = await OnCall.arrive();
  await onCall.breaks('parked', {
    operation: ADD_ROLE,
    match: { email: 'parked-*' },
    fault: AWAY,
  });
  await onCall.breaks(
    'cleanup',
    { operation: ADD_ROLE, match: { email: emailOf('cleanup') }, fault: NO_GROUP },
    { operation: 'AdminDeleteUser', match: { email: emailOf('cleanup') }, fault: AWAY },
  );
  await onCall.breaks('fails', {
    operation: ADD_ROLE,
    match: { email: emailOf('fails') },
    fault: NO_GROUP,
  });
  await register('ada', 'cleanup', 'parked-1', 'parked-2', 'parked-3');
  for (const name of ['parked-1', 'parked-2', 'parked-3']) {
    await onCall.until(idOf(name), 'roles_pending');
  }
  await onCall.until(idOf('ada'), 'completed');
  await onCall.until(idOf('cleanup'), 'cleanup_required');
}, 240_000);
afterAll(() => onCall.leave());

async function register(...names: readonly string[]): Promise<void> {
  for (const name of names) ids.set(name, await onCall.register(emailOf(name)));
}

/** Registered, with the role, and nobody else has the address. */
async function isWhole(name: string): Promise<void> {
  await onCall.until(idOf(name), 'completed');
  const email = emailOf(name);
  expect(await onCall.inPool(email)).toEqual([{ email, mark: idOf(name), roles: ROLES }]);
}

/** The answer to a registration, whose person is registered then. */
async function registers(name: string, output: string): Promise<void> {
  ids.set(name, output.split(' ', 1)[0] ?? '');
  await isWhole(name);
}

/** Somebody signs up, and never proves the address. */
async function signsUp(name: string): Promise<void> {
  const body = {
    email: emailOf(name),
    username: name,
    first_name: 'Ada',
    last_name: 'Lovelace',
    password: 'Correct-Horse-1',
  };
  expect((await onCall.call('POST', '/auth/register', body)).status).toBe(201);
}

/** As in the AWS console. */
async function deletesInCognito(email: string): Promise<void> {
  const { client, userPoolId: UserPoolId } = onCall.deployment.pool;
  await client.send(new AdminDeleteUserCommand({ UserPoolId, Username: email }));
}

/** A user with the mark of another deployment, as after a restore of the database. */
async function createsStranger(email: string): Promise<void> {
  const { client, userPoolId: UserPoolId } = onCall.deployment.pool;
  const UserAttributes = [
    { Name: 'email', Value: email },
    { Name: 'custom:registration_id', Value: randomUUID() },
  ];
  await client.send(
    new AdminCreateUserCommand({
      UserPoolId,
      Username: email,
      UserAttributes,
      MessageAction: 'SUPPRESS',
    }),
  );
}

async function isRefused(email: string, code: string): Promise<void> {
  const answer = await onCall.call('POST', '/registrations', { email, roles: ROLES });
  expect(answer).toMatchObject({ status: 409, body: { code } });
}

/** What the check of the section prints for another address. */
async function explains(email: string): Promise<string> {
  await onCall.type('EMAIL', email);
  return (await onCall.paste('api GET "/addresses/$EMAIL"')).output;
}

const PARKED = `parked-\\d@example.com \\[viewer\\] since \\S+: identity_provider_unavailable`;

testSections(
  REGISTRATIONS,
  {
    'Triage (1)': {
      exitCodes: [2],
      shows(output) {
        expect(output).toMatch(
          /^ {2}roles_pending .*: 3 since .* npm run request -- POST \/registrations\/retry status=roles_pending /m,
        );
        expect(output).toMatch(/^ {2}cleanup_required .*: 1 since .* status=cleanup_required /m);
      },
    },
    'Triage (2)': { shows: (output) => expect(output).toEqual(line(idOf('ada'), 'completed')) },
    'Triage (3)': { shows: (output) => expect(output).toMatch(/^[\da-f]{16}\n$/) },
    'Users report no access (1)': {
      shows(output) {
        expect(output.match(new RegExp(`^\\S+ roles_pending ${PARKED}`, 'gm'))).toHaveLength(4);
        expect(output).toMatch(/^3 found$/m);
        expect(output).toMatch(/^ {2}step assignRole:viewer: failed, attempts \d+, identity_/m);
        expect(output).toMatch(/^ {2}resumes: \d{4}-/m);
        expect(output).toMatch(/^ {2}do: Wait: the schedule resumes it\./m);
        expect(output).toMatch(/^ {2}then: npm run request -- POST \/registrations\/\S+\/retry$/m);
        // Three lines of a list, and one receipt: readable at once.
        expect(output.length).toBeLessThan(1500);
      },
    },
    'Users report no access (2)': {
      first: () => onCall.mends('parked'),
      // The newest of them is the first.
      shows: () => isWhole('parked-3'),
    },
    'Users report no access (3)': {
      async shows(output) {
        expect(output).toBe('accepted: 2\nremaining: 0\n');
        for (const name of ['parked-1', 'parked-2']) await isWhole(name);
      },
    },
    'Address already taken (1)': {
      async first() {
        await signsUp('ghost');
        await isRefused(emailOf('ghost'), 'email_unverified');
        await onCall.type('EMAIL', emailOf('ghost'));
      },
      shows(output) {
        expect(output).toContain('free: false\nreason: unverified_sign_up\n');
        expect(output).toMatch(/^remedy: .* replaceUnverified: true/m);
      },
    },
    'Address already taken (2)': { shows: (output) => registers('ghost', output) },
    'Address already taken (3)': {
      async first() {
        const stranger = emailOf('stranger');
        await createsStranger(stranger);
        const failed = await onCall.register(stranger);
        expect(await onCall.until(failed, 'failed')).toMatchObject({
          failure: { code: 'email_taken' },
        });
        expect(await explains(stranger)).toContain('free: false\nreason: foreign_user\n');
        await deletesInCognito(stranger);
        expect(await explains(stranger)).toContain('free: true\nreason: free\n');
      },
      async shows(output) {
        await registers('stranger', output);
        // The same for somebody whom Registrar registered, and who was deleted in Cognito.
        await register('gone');
        await isWhole('gone');
        await deletesInCognito(emailOf('gone'));
        await expect
          .poll(() => explains(emailOf('gone')), { timeout: 30_000 })
          .toContain('free: true');
        const again = await onCall.paste(
          `api POST /registrations email="$EMAIL" roles:='["viewer"]'`,
        );
        await registers('gone', again.output);
      },
    },
    'Cleanup required (1)': {
      shows(output) {
        expect(output).toEqual(line(idOf('cleanup'), 'cleanup_required'));
        expect(output).toMatch(
          /^ {2}why: Registration failed\. The registration is not undone yet\.$/m,
        );
        expect(output).toMatch(/^ {2}cleanup failed: deleteUser, identity_provider_unavailable$/m);
        expect(output).toMatch(/^ {2}do: Correct what prevents the cleanup/m);
      },
    },
    'Cleanup required (2)': {
      first: () => onCall.mends('cleanup'),
      async shows() {
        await onCall.until(idOf('cleanup'), 'failed');
        expect(await onCall.inPool(emailOf('cleanup'))).toEqual([]);
        expect(await explains(emailOf('cleanup'))).toContain('free: true');
      },
    },
    'Signed up but no account (1)': {
      async first() {
        const person = { email: ADA, username: 'ada', password: 'Correct-Horse-1' };
        const answer = await fetch(new URL('/auth/register', onCall.url), {
          method: 'POST',
          headers: { 'content-type': 'application/json', prefer: 'respond-async' },
          body: JSON.stringify(person),
        });
        expect(answer.status).toBe(202);
        await onCall.type('EMAIL', ADA);
      },
      async shows(output) {
        expect(output).toMatch(/ failed ada@example.com .*: email_taken \(email_taken\)$/m);
        expect(output).toEqual(line(idOf('ada'), 'completed ada@example.com'));
        await isWhole('ada');
      },
    },
    'Registrations fail (1)': {
      async first() {
        await register('fails');
        await onCall.until(idOf('fails'), 'failed');
      },
      shows(output) {
        expect(output).toEqual(
          line(idOf('fails'), 'failed fails@example.com .*\\(role_missing\\)$'),
        );
        expect(output).toMatch(/^ {2}do: The group was deleted meanwhile\. Create it again/m);
      },
    },
    'Registrations fail (2)': {
      async first() {
        await onCall.mends('fails');
        await onCall.type('EMAIL', emailOf('fails'));
      },
      shows: (output) => registers('fails', output),
    },
    'Cognito throttles (1)': {
      async first() {
        await onCall.breaks('throttled', {
          operation: ADD_ROLE,
          match: { email: 'throttled-*' },
          fault: { kind: 'throttle' },
        });
        await register('throttled-1', 'throttled-2');
        for (const name of ['throttled-1', 'throttled-2']) {
          await onCall.until(idOf(name), 'roles_pending');
        }
      },
      async shows(output) {
        for (const name of ['throttled-1', 'throttled-2']) {
          expect(output).toEqual(
            line(idOf(name), 'roles_pending .*: identity_provider_throttled '),
          );
        }
        const { output: metrics } = await onCall.paste('api GET /metrics');
        expect(metrics).toMatch(/^registrar_cognito_throttles_total\{.*\} [1-9]/m);
      },
    },
    'Cognito throttles (2)': {
      first: () => onCall.mends('throttled'),
      async shows(output) {
        expect(output).toBe('accepted: 2\nremaining: 0\n');
        for (const name of ['throttled-1', 'throttled-2']) await isWhole(name);
      },
    },
    'Registrations wait for the quota (1)': {
      async first() {
        await onCall.restart({ COGNITO_UPDATE_RPS: '1' });
        await register(...Array.from({ length: CROWD }, (_, at) => `crowd-${at}`));
        await onCall.untilQueued('update');
      },
      async shows(output) {
        expect(output).toMatch(/^ {2}update: [\d.]+ per second, [1-9]\d* queued$/m);
        await onCall.restart({ COGNITO_UPDATE_RPS: '20' });
        for (let at = 0; at < CROWD; at += 1) await isWhole(`crowd-${at}`);
        const { output: later } = await onCall.paste('npm run status');
        expect(later).toMatch(/^ {2}update: \d+ per second, 0 queued$/m);
      },
    },
  },
  () => onCall,
);

test('the command that npm run status prints for parked registrations clears them', async () => {
  await onCall.breaks('parked', { operation: ADD_ROLE, match: { email: 'late-*' }, fault: AWAY });
  await register('late-1');
  await onCall.until(idOf('late-1'), 'roles_pending');
  await onCall.mends('parked');
  const { output } = await onCall.paste('npm run --silent status');
  const group = output.split('\n').find((one) => one.startsWith('  roles_pending')) ?? '';
  const command = /npm run request -- [^(]*/.exec(group)?.[0] ?? '';
  expect(command.length).toBeLessThan(120);
  expect(group.length).toBeLessThan(500);
  expect(await onCall.paste(command)).toMatchObject({ failed: [] });
  await isWhole('late-1');
});

test('every section of the runbook with commands is pasted by one of these files', () => {
  const pasted = [...REGISTRATIONS, ...PEOPLE, ...RUNS, ...DEPENDENCIES];
  expect(pasted.toSorted()).toEqual(SECTIONS.toSorted());
});
