import { randomUUID } from 'node:crypto';
import {
  AdminGetUserCommand,
  AdminUpdateUserAttributesCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { createUser, TooEarly } from '../../../../activities/registration/create-user.ts';
import { deleteUser } from '../../../../activities/registration/delete-user.ts';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import { StepFailure } from '../../../../activities/step-failure.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import type { IdentityProvider } from '../../../../src/cognito/adapter.ts';
import { accept } from '../../../../src/ledger/registrations/accept.ts';
import {
  beginCompensation,
  closeRegistration,
} from '../../../../src/ledger/registrations/compensation.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { readTokenCutoffs } from '../../../../src/ledger/token-cutoffs.ts';
import { acceptInput } from '../../../support/accept-input.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';
import { known, type Known } from '../../../support/known.ts';

const PASSWORD = 'Correct-horse-1';

test.afterEach(async ({ steps }) => {
  await steps.pool.clearFaults();
});

/** A completed sign-up whose address nobody has proved. */
async function signedUp(steps: Steps): Promise<Known> {
  const id = randomUUID();
  const input = acceptInput({
    id,
    username: `u${id.slice(0, 8)}`,
    door: 'signup',
    requestedBy: 'door:signup',
    keyScope: `signup:${id}@example.com`,
    roles: [],
    emailVerified: false,
    password: PASSWORD,
  });
  await accept(steps.db, input);
  const { row } = await registerAtOnce(steps.context(), id);
  expect(row.status).toBe('completed');
  return known(row);
}

async function replacing(steps: Steps, old: Known): Promise<Known> {
  const result = await accept(
    steps.db,
    acceptInput({ email: old.email, invite: false, replaceUnverified: true }),
  );
  if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
  return known(result.registration);
}

const user = async (steps: Steps, username: string | null) =>
  await steps.pool.client
    .send(new AdminGetUserCommand({ UserPoolId: steps.pool.userPoolId, Username: username ?? '' }))
    .catch(() => null);
const prove = (steps: Steps, { cognitoUsername }: Known) =>
  steps.pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: steps.pool.userPoolId,
      Username: cognitoUsername ?? '',
      UserAttributes: [{ Name: 'email_verified', Value: 'true' }],
    }),
  );

/** Compensation to its end. */
async function takeBack(steps: Steps, id: string): Promise<Registration> {
  const cause = { closesAs: 'failed', failure: publicFailure('terminated') } as const;
  await beginCompensation(steps.db, id, cause, publicFailure('registration_cancelled'), {});
  while ((await deleteUser(steps.context(), id)) !== null);
  return await closeRegistration(steps.db, id);
}

async function tokensEnd(steps: Steps, { userId }: Known): Promise<boolean> {
  const cutoffs = await readTokenCutoffs(steps.db, { changedAt: 0, userId: '' }, 1000);
  return cutoffs.some((cutoff) => cutoff.userId === userId && cutoff.sessionsEndedAt !== null);
}

/** Expects that the sign-up holds its address again, and that its account is as it was. */
async function expectLivingAgain(steps: Steps, old: Known): Promise<void> {
  expect(await steps.row(old.id)).toMatchObject({ replacedBy: null, userDeletedAt: null });
  expect((await user(steps, old.cognitoUsername))?.Enabled).toBe(true);
  expect(await tokensEnd(steps, old)).toBe(false);
  expect((await accept(steps.db, acceptInput({ email: old.email }))).kind).toMatch(/^email_/);
}

test('the account of an unverified sign-up is deleted before the new user is created', async ({
  steps,
}) => {
  const old = await signedUp(steps);
  const { id } = await replacing(steps, old);
  const { row } = await registerAtOnce(steps.context(), id);
  expect(row).toMatchObject({ status: 'completed', replaces: old.id, replacement: 'deleted' });
  expect(row.cognitoUsername).not.toBe(old.cognitoUsername);
  expect(await user(steps, old.cognitoUsername)).toBeNull();
  expect(await steps.row(old.id)).toMatchObject({ status: 'completed', replacedBy: id });
  // And nobody needs to know any more who signed up.
  expect(await steps.row(old.id)).toMatchObject({ email: null, username: null });
  expect((await steps.row(old.id)).userDeletedAt).not.toBeNull();
  const events = await readTimeline(steps.db, old.id);
  expect(events.at(-1)).toMatchObject({ event: 'user.deleted', actor: 'tester' });
  expect(await tokensEnd(steps, old)).toBe(true);
});

test('an address that was proved before the account is disabled stays with its owner', async ({
  steps,
}) => {
  const old = await signedUp(steps);
  const { id } = await replacing(steps, old);
  await prove(steps, old);
  const { stopped } = await registerAtOnce(steps.context(), id);
  expect(stopped?.failure).toBe('email_taken');
  expect(await takeBack(steps, id)).toMatchObject({ status: 'failed', replacement: 'kept' });
  await expectLivingAgain(steps, old);
});

test('an address that is proved between the disabling and the read stays with its owner', async ({
  steps,
}) => {
  const old = await signedUp(steps);
  const { id } = await replacing(steps, old);
  const provider = steps.provider();
  const racing: IdentityProvider = {
    ...provider,
    disableUser: async (username, signal) => {
      await provider.disableUser(username, signal);
      await prove(steps, old);
    },
  };
  const { stopped } = await registerAtOnce(steps.context({ provider: racing }), id);
  expect(stopped?.failure).toBe('email_taken');
  await takeBack(steps, id);
  await expectLivingAgain(steps, old);
});

const WRITES = ['AdminDisableUser', 'AdminDeleteUser'] as const;

test.for(WRITES)(
  'a lost reply of %s is made good by the next attempt',
  async (operation, { steps }) => {
    const old = await signedUp(steps);
    const { id } = await replacing(steps, old);
    await steps.pool.setFaults([
      { operation, times: 1, fault: { kind: 'replyLost', effect: 'after' } },
    ]);
    const first = await registerAtOnce(steps.context(), id);
    expect(first.stopped?.failure).toBe('reply_lost');
    const { row } = await registerAtOnce(steps.context(), id);
    expect(row.status).toBe('completed');
    expect(await user(steps, old.cognitoUsername)).toBeNull();
  },
);

test.for([
  ['AdminDisableUser', 'before', 'kept'],
  ['AdminDisableUser', 'after', 'kept'],
  ['AdminDeleteUser', 'before', 'deleted'],
  ['AdminDeleteUser', 'after', 'deleted'],
] as const)(
  'a registration that is cancelled after a lost reply of %s (%s its effect) leaves the other account %s',
  async ([operation, effect, replacement], { steps }) => {
    const old = await signedUp(steps);
    const { id } = await replacing(steps, old);
    await steps.pool.setFaults([{ operation, times: 1, fault: { kind: 'replyLost', effect } }]);
    await registerAtOnce(steps.context(), id);
    expect(await takeBack(steps, id)).toMatchObject({ status: 'failed', replacement });
    const kept = replacement === 'kept';
    expect((await user(steps, old.cognitoUsername))?.Enabled).toBe(kept ? true : undefined);
    expect((await steps.row(old.id)).userDeletedAt === null).toBe(kept);
    // The sign-up holds its address again, or the address is free.
    const next = await accept(steps.db, acceptInput({ email: old.email }));
    expect(next.kind).toBe(kept ? 'email_unverified' : 'accepted');
  },
);

test('an account is enabled again only after an earlier disabling can land no more', async ({
  steps,
}) => {
  const old = await signedUp(steps);
  const { id } = await replacing(steps, old);
  await steps.pool.setFaults([
    {
      operation: 'AdminDisableUser',
      times: 1,
      fault: { kind: 'replyLost', effect: 'after', lateMs: 300 },
    },
  ]);
  await registerAtOnce(steps.context(), id);
  await prove(steps, old);
  const graceMs = 1000;
  const row = await steps.row(id);
  await expect(createUser(steps.context({ graceMs }), row)).rejects.toThrow(TooEarly);
  const cause = { closesAs: 'failed', failure: publicFailure('terminated') } as const;
  await beginCompensation(steps.db, id, cause, publicFailure('registration_cancelled'), {});
  expect(await deleteUser(steps.context({ graceMs }), id)).toMatchObject({
    graceMs: expect.any(Number) as number,
  });
  while ((await steps.pool.late()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await takeBack(steps, id);
  await expectLivingAgain(steps, old);
});

test('an address is given back only after an enabling without a reply can land no more', async ({
  steps,
}) => {
  const old = await signedUp(steps);
  const { id } = await replacing(steps, old);
  await steps.pool.setFaults([
    { operation: 'AdminGetUser', after: 1, times: 1, fault: { kind: 'server' } },
    {
      operation: 'AdminEnableUser',
      times: 1,
      fault: { kind: 'replyLost', effect: 'after', lateMs: 300 },
    },
  ]);
  const { row } = await registerAtOnce(steps.context(), id);
  expect(row.replacement).toBe('disabling');
  const cause = {
    closesAs: 'cancelled',
    failure: publicFailure('registration_cancelled'),
  } as const;
  await beginCompensation(steps.db, id, cause, publicFailure('registration_cancelled'), {});
  const context = steps.context({ graceMs: 60_000 });
  await expect(deleteUser(context, id)).rejects.toThrow(StepFailure);
  expect(await deleteUser(context, id)).toMatchObject({ graceMs: expect.any(Number) as number });
  expect((await steps.row(old.id)).replacedBy).toBe(id);
  while ((await steps.pool.late()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  while ((await deleteUser(steps.context(), id)) !== null);
  await closeRegistration(steps.db, id);
  await expectLivingAgain(steps, old);
});

test('an account that an administrator had disabled stays disabled', async ({ steps }) => {
  const old = await signedUp(steps);
  await steps.provider().disableUser(old.cognitoUsername ?? '', AbortSignal.timeout(4000));
  const { id } = await replacing(steps, old);
  await prove(steps, old);
  await registerAtOnce(steps.context(), id);
  await takeBack(steps, id);
  expect((await user(steps, old.cognitoUsername))?.Enabled).toBe(false);
  expect((await steps.row(old.id)).replacedBy).toBeNull();
});

test('a registration that was cancelled before its first step leaves the other account untouched', async ({
  steps,
}) => {
  const old = await signedUp(steps);
  const { id } = await replacing(steps, old);
  await steps.pool.clearCalls();
  await takeBack(steps, id);
  expect(await steps.pool.calls()).toEqual({});
  await expectLivingAgain(steps, old);
});

test('a user with another mark is not deleted', async ({ steps }) => {
  const old = await signedUp(steps);
  const { id } = await replacing(steps, old);
  await steps.pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: steps.pool.userPoolId,
      Username: old.cognitoUsername ?? '',
      UserAttributes: [{ Name: 'custom:registration_id', Value: randomUUID() }],
    }),
  );
  const { stopped } = await registerAtOnce(steps.context(), id);
  expect(stopped?.failure).toBe('email_taken');
  expect((await user(steps, old.cognitoUsername))?.Enabled).toBe(true);
});

test('a later definitive failure does not bring a deleted account back', async ({ steps }) => {
  const old = await signedUp(steps);
  const result = await accept(
    steps.db,
    acceptInput({ email: old.email, roles: ['no-such-role'], replaceUnverified: true }),
  );
  const id = 'registration' in result ? result.registration.id : '';
  const { stopped } = await registerAtOnce(steps.context(), id);
  expect(stopped?.failure).toBe('role_missing');
  expect(await takeBack(steps, id)).toMatchObject({ status: 'failed', replacement: 'deleted' });
  // And nobody needs to know any more who signed up.
  expect(await steps.row(old.id)).toMatchObject({ email: null, username: null });
  expect((await steps.row(old.id)).userDeletedAt).not.toBeNull();
  expect(
    (await readTimeline(steps.db, old.id)).filter(({ event }) => event === 'user.deleted'),
  ).toHaveLength(1);
});
