import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { AdminGetUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import postgres from 'postgres';
import { afterAll, beforeAll, expect } from 'vitest';
import { anyFreePort } from '../../../dev/stack/ports.ts';
import { type Receiver, startReceiver } from '../../support/receiver.ts';
import { line, OnCall, testSections } from './on-call.ts';
import { PEOPLE } from './sections.ts';

const PASSWORD = 'Correct-Horse-1';
const AWAY = { kind: 'server', status: 503 } as const;
const LIMITED = { kind: 'error', error: 'LimitExceededException' } as const;
const SOON = { timeout: 60_000 };

let onCall: OnCall;
let sql: postgres.Sql;
let webhookPort: number;
let receiver: Receiver | undefined;
let webhookStatus = 200;

beforeAll(async () => {
  webhookPort = await anyFreePort();
  onCall = await OnCall.arrive({
    EVENTS_WEBHOOK_URL: `http://127.0.0.1:${webhookPort}/`,
    EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
  });
  sql = postgres(onCall.database.url, { max: 1, onnotice: () => undefined });
}, 240_000);
afterAll(async () => {
  await receiver?.close();
  await sql.end({ timeout: 1 });
  await onCall.leave();
});

async function startsWebhook(): Promise<void> {
  const answer = (response: ServerResponse) => response.writeHead(webhookStatus).end();
  receiver = await startReceiver(answer, webhookPort);
}

/** @returns the id of the change */
async function changes(userId: string, method: string, what: string, body?: object) {
  const answer = await onCall.call(method, `/users/${userId}${what}`, body);
  expect(answer).toMatchObject({ status: 202 });
  return String(answer.body['id']);
}

async function isEnabled(email: string): Promise<boolean | undefined> {
  const { client, userPoolId: UserPoolId } = onCall.deployment.pool;
  const user = await client.send(new AdminGetUserCommand({ UserPoolId, Username: email }));
  return user.Enabled;
}

const mailedTo = async (email: string): Promise<number> =>
  (await onCall.deployment.pool.mail()).filter(({ to }) => to === email).length;

/** What is stored of the deliveries of a destination that are not made. */
const waiting = async (destination: string) =>
  await sql`SELECT outbox_id, last_error, given_up_at FROM outbox_deliveries
    WHERE destination = ${destination} AND delivered_at IS NULL`;

async function untilLastError(destination: string, error: string | RegExp): Promise<void> {
  const lastErrors = async () =>
    (await waiting(destination)).map((delivery) => String(delivery['last_error'] ?? '')).join(' ');
  await expect.poll(lastErrors, SOON).toMatch(error);
}

/** The event of a person's registration came, signed or not. */
async function untilTold(registrationId: string): Promise<void> {
  const told = () =>
    (receiver?.received ?? []).filter(({ body }) => body.includes(registrationId)).length;
  await expect.poll(told, SOON).toBeGreaterThan(0);
  await expect.poll(async () => (await waiting('webhook')).length, SOON).toBe(0);
}

let disabled = '';
let moved = '';
let late = '';

testSections(
  PEOPLE,
  {
    'A change is parked (1)': {
      async first() {
        const { userId } = await onCall.registered('leaver@example.com');
        await onCall.breaks('disable', {
          operation: 'AdminDisableUser',
          match: { email: 'leaver@example.com' },
          fault: AWAY,
        });
        disabled = await changes(userId, 'POST', '/disable');
        await onCall.until(disabled, 'parked', 'changes');
        moved = await changes(userId, 'PUT', '/roles', { roles: ['admin'] });
      },
      shows(output) {
        expect(output).toEqual(line(disabled, 'disable parked user '));
        expect(output).toMatch(/^ {2}why: The identity provider was unavailable/m);
        expect(output).toMatch(/^ {2}do: Wait: the schedule resumes it\. Or retry/m);
        expect(output).toContain(`\n  then: npm run request -- POST /changes/${disabled}/retry\n`);
      },
    },
    'A change is parked (2)': {
      first: () => onCall.mends('disable'),
      async shows() {
        await onCall.until(disabled, 'completed', 'changes');
        await onCall.until(moved, 'completed', 'changes');
        expect(await isEnabled('leaver@example.com')).toBe(false);
        expect(await onCall.inPool('leaver@example.com')).toMatchObject([{ roles: ['admin'] }]);
      },
    },
    'The last administrator (1)': {
      async first() {
        const { userId } = await onCall.registered('boss@example.com', { roles: ['admin'] });
        await onCall.registered('deputy@example.com');
        const refused = await onCall.call('DELETE', `/users/${userId}`);
        expect(refused).toMatchObject({ status: 409, body: { code: 'last_administrator' } });
        await onCall.type('EMAIL', 'deputy@example.com');
      },
      shows: (output) =>
        expect(output).toMatch(/^\S+ deputy@example\.com \[viewer\] enabled \w+\n1 found\n$/),
    },
    'The last administrator (2)': {
      async shows(output) {
        await onCall.until(output.split(' ', 1)[0] ?? '', 'completed', 'changes');
        const { body } = await onCall.call('GET', '/users?email=boss@example.com');
        const [boss] = body['items'] as { userId: string }[];
        const gone = await changes(boss?.userId ?? '', 'DELETE', '');
        await onCall.until(gone, 'completed', 'changes');
        expect(await onCall.inPool('boss@example.com')).toEqual([]);
        expect(await onCall.inPool('deputy@example.com')).toMatchObject([{ roles: ['admin'] }]);
      },
    },
    'Events are late (1)': {
      async first() {
        late = (await onCall.registered('late@example.com')).id;
        await untilLastError('webhook', 'ECONNREFUSED');
      },
      // For two minutes nobody is needed.
      shows: (output) =>
        expect(output).toMatch(
          /^ {2}webhook: [1-9]\d* pending, 0 given up, .* last error ECONNREFUSED$/m,
        ),
    },
    'Events are late (2)': {
      first: startsWebhook,
      async shows(output) {
        expect(output).toContain('"destination":"webhook"');
        await untilTold(late);
        const { output: status } = await onCall.paste('npm run status');
        expect(status).toMatch(/^ {2}webhook: 0 pending, 0 given up$/m);
      },
    },
    'Events are late (3)': {
      async first() {
        webhookStatus = 500;
        late = (await onCall.registered('given-up@example.com')).id;
        await untilLastError('webhook', 'HTTP 500');
        // Three days later: the attempt after this one is the last.
        await sql`UPDATE outbox_deliveries SET attempts = 9, next_attempt_at = now()
          WHERE destination = 'webhook' AND delivered_at IS NULL`;
        await expect
          .poll(async () => (await waiting('webhook')).every((one) => one['given_up_at']), SOON)
          .toBe(true);
        const { output } = await onCall.paste('npm run status');
        expect(output).toMatch(
          /^ {2}outbox given_up \(HTTP 500\): 1 for webhook .* npm run redeliver -- --destination webhook$/m,
        );
        webhookStatus = 200;
      },
      shows: () => untilTold(late),
    },
    'Invitations are late (1)': {
      async first() {
        const { id } = await onCall.registered('invited@example.com');
        await onCall.breaks('mailer', {
          operation: 'AdminCreateUser',
          match: { email: 'invited@example.com' },
          fault: LIMITED,
        });
        await onCall.call('POST', `/registrations/${id}/invitation`);
        await untilLastError('cognito-mail', 'mail_deferred');
        await onCall.type('ID', id);
      },
      shows: (output) => expect(output).toMatch(/^ {2}invitation: pending$/m),
    },
    'Invitations are late (2)': {
      first: () => onCall.mends('mailer'),
      async shows() {
        await expect.poll(() => mailedTo('invited@example.com'), SOON).toBe(1);
        const check = async () => (await onCall.paste('api GET "/registrations/$ID"')).output;
        await expect.poll(check, SOON).toMatch(/^ {2}invitation: sent$/m);
      },
    },
    'Invitations are late (3)': {
      async first() {
        const { id } = await onCall.registered('unsure@example.com');
        await onCall.breaks('mailer', {
          operation: 'AdminCreateUser',
          match: { email: 'unsure@example.com' },
          fault: { kind: 'replyLost', effect: 'before' },
        });
        await onCall.call('POST', `/registrations/${id}/invitation`);
        await untilLastError('cognito-mail', /./);
        // Hours later: the attempt after this one is the last without a reply.
        await sql`UPDATE outbox_deliveries SET unanswered = 2, next_attempt_at = now()
          WHERE destination = 'cognito-mail' AND delivered_at IS NULL`;
        await expect
          .poll(async () => (await waiting('cognito-mail'))[0]?.['given_up_at'], SOON)
          .toBeInstanceOf(Date);
        const { output } = await onCall.paste('npm run status');
        expect(output).toMatch(
          new RegExp(`mail_unconfirmed .* npm run request -- POST /registrations/${id}/invitation`),
        );
        await onCall.type('ID', id);
        const { output: receipt } = await onCall.paste('api GET "/registrations/$ID"');
        expect(receipt).toMatch(/^ {2}invitation: pending, mail_unconfirmed$/m);
        expect(receipt).toMatch(/^ {2}do: Ask the person whether the mail arrived/m);
        await onCall.mends('mailer');
      },
      async shows() {
        await expect.poll(() => mailedTo('unsure@example.com'), SOON).toBe(1);
      },
    },
    'A forgotten password brings no mail (1)': {
      async first() {
        const proved = { password: PASSWORD, emailVerified: true };
        await onCall.registered('forgetful@example.com', proved);
        await onCall.breaks('recovery', { operation: 'ForgotPassword', fault: AWAY });
        const body = { username: 'forgetful@example.com' };
        expect((await onCall.call('POST', '/auth/forgot-password', body)).status).toBe(202);
        await untilLastError('cognito-recovery', /\w/);
      },
      shows: (output) =>
        expect(output).toMatch(/^ {2}cognito-recovery: 1 pending, 0 given up, .* last error \w+$/m),
    },
    'A forgotten password brings no mail (2)': {
      first: () => onCall.mends('recovery'),
      async shows() {
        await expect.poll(() => mailedTo('forgetful@example.com'), SOON).toBe(1);
        await expect.poll(async () => (await waiting('cognito-recovery')).length, SOON).toBe(0);
      },
    },
  },
  () => onCall,
);
