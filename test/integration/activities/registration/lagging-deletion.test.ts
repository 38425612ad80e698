import { randomUUID } from 'node:crypto';
import { AdminUpdateUserAttributesCommand } from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { accept } from '../../../../src/ledger/registrations/accept.ts';
import { acceptInput, type Wanted } from '../../../support/accept-input.ts';
import { addUser, portrait, removeUser } from '../../../support/pool-user.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';
import { known, type Known } from '../../../support/known.ts';

const SIGN_UP: Wanted = { door: 'signup', roles: [], emailVerified: false, keyScope: 'signup' };
/** Cognito says that the user is gone, and goes on showing it. */
const withoutEffect = (times: number): Rule => ({
  operation: 'AdminDeleteUser',
  times,
  fault: { kind: 'error', error: 'UserNotFoundException' },
});

test.afterEach(async ({ steps }) => {
  await steps.pool.clearFaults();
});

async function accepted(steps: Steps, wanted: Wanted): Promise<string> {
  const result = await accept(steps.db, acceptInput({ invite: false, ...wanted }));
  if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
  return result.registration.id;
}

const registerOnce = (steps: Steps, id: string) =>
  registerAtOnce(steps.context({ unreadableAfterMs: 60_000 }), id);

async function registered(steps: Steps, wanted: Wanted = {}): Promise<Known> {
  const { row } = await registerOnce(steps, await accepted(steps, wanted));
  expect(row.status).toBe('completed');
  return known(row);
}

/** What a deletion by Registrar leaves in the ledger; the pool still shows the user. */
async function deletedInLedger(steps: Steps, wanted: Wanted = {}): Promise<Known> {
  const { id } = await registered(steps, wanted);
  await steps.db.execute(
    sql`UPDATE registrations SET user_deleted_at = clock_timestamp() WHERE id = ${id}::uuid`,
  );
  return known(await steps.row(id));
}

const prove = ({ pool }: Steps, email: string) =>
  pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: pool.userPoolId,
      Username: email,
      UserAttributes: [{ Name: 'email_verified', Value: 'true' }],
    }),
  );

test.for([
  ['a registered person', {}],
  ['an unverified sign-up', SIGN_UP],
] as const)(
  'a deleted user that the pool still shows is replaced: %s',
  async ([, wanted], { steps }) => {
    const old = await deletedInLedger(steps, wanted);
    const row = await registered(steps, { email: old.email });
    expect(row.userId).not.toBe(old.userId);
    const user = await steps.provider().readUser(row.email, AbortSignal.timeout(4000));
    expect([user?.sub, user?.mark]).toEqual([row.userId, row.id]);
  },
);

test('a deletion that takes effect late is waited for, and is never email_taken', async ({
  steps,
}) => {
  const old = await deletedInLedger(steps);
  const id = await accepted(steps, { email: old.email });
  await steps.pool.setFaults([withoutEffect(2)]);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const { stopped } = await registerOnce(steps, id);
    expect(stopped?.failure).toBe('not_visible_yet');
  }
  expect((await registerOnce(steps, id)).row.status).toBe('completed');
});

test('an address that AdminCreateUser still refuses, and nobody can be read under, is retried', async ({
  steps,
}) => {
  const old = await deletedInLedger(steps);
  await removeUser(steps.pool, old.email);
  const id = await accepted(steps, { email: old.email });
  await steps.pool.setFaults([
    {
      operation: 'AdminCreateUser',
      times: 2,
      fault: { kind: 'error', error: 'UsernameExistsException' },
    },
  ]);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const { stopped } = await registerOnce(steps, id);
    expect(stopped?.failure).toBe('not_visible_yet');
  }
  expect((await registerOnce(steps, id)).row.status).toBe('completed');
});

test('the account of a replaced sign-up that is deleted late is waited for', async ({ steps }) => {
  const old = await registered(steps, SIGN_UP);
  const id = await accepted(steps, { email: old.email, replaceUnverified: true });
  await steps.pool.setFaults([withoutEffect(2)]);
  const { stopped, row } = await registerOnce(steps, id);
  expect([stopped?.failure, row.replacement]).toEqual(['not_visible_yet', 'deleted']);
  expect((await registerOnce(steps, id)).row.status).toBe('completed');
});

test('a second user of a deleted sign-up whose owner proved the address since is not deleted', async ({
  steps,
}) => {
  const old = await deletedInLedger(steps, SIGN_UP);
  await removeUser(steps.pool, old.email);
  await addUser(steps.pool, old.email, { mark: old.id });
  await prove(steps, old.email);
  const before = await portrait(steps.pool, old.email);
  const { stopped } = await registerOnce(steps, await accepted(steps, { email: old.email }));
  expect(stopped?.failure).toBe('email_taken');
  expect(await portrait(steps.pool, old.email)).toBe(before);
});

test('a user with the mark of a released registration is not deleted', async ({ steps }) => {
  const old = await registered(steps, { email: `${randomUUID()}@example.com` });
  await steps.db.execute(
    sql`UPDATE registrations SET released_at = clock_timestamp() WHERE id = ${old.id}::uuid`,
  );
  const before = await portrait(steps.pool, old.email);
  const { stopped } = await registerOnce(steps, await accepted(steps, { email: old.email }));
  expect(stopped?.failure).toBe('email_taken');
  expect(await portrait(steps.pool, old.email)).toBe(before);
});
