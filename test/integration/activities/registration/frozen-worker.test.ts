import { AdminGetUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect, vi } from 'vitest';
import type { IdentityProvider } from '../../../../src/cognito/adapter.ts';
import { createUser, TooEarly } from '../../../../activities/registration/create-user.ts';
import { deleteUser } from '../../../../activities/registration/delete-user.ts';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import {
  beginCompensation,
  closeRegistration,
} from '../../../../src/ledger/registrations/compensation.ts';
import { recordCreateAttempt } from '../../../../src/ledger/registrations/create-attempt.ts';
import { rowsWithStrays } from '../../../../src/ledger/registrations/sweep.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';

const FAILED = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
const CANCELLED = publicFailure('registration_cancelled');

test.afterEach(async ({ steps }) => {
  vi.useRealTimers();
  await steps.pool.clearFaults();
});

/** A worker that stands still between recording its attempt and sending it. */
function frozen(steps: Steps): {
  provider: IdentityProvider;
  reached: Promise<void>;
  thaw(): void;
} {
  const reached = Promise.withResolvers<void>();
  const thawed = Promise.withResolvers<void>();
  const real = steps.provider();
  return {
    provider: {
      ...real,
      createUser: async (...args) => {
        reached.resolve();
        await thawed.promise;
        return await real.createUser(...args);
      },
    },
    reached: reached.promise,
    thaw: () => thawed.resolve(),
  };
}

async function usernameOf(steps: Steps, email: string): Promise<string | null> {
  const at = { UserPoolId: steps.pool.userPoolId, Username: email };
  return await steps.pool.client.send(new AdminGetUserCommand(at)).then(
    ({ Username }) => Username ?? null,
    () => null,
  );
}

async function aged(steps: Steps, row: Registration, seconds: number): Promise<Registration> {
  await steps.db.execute(sql`UPDATE registrations
    SET create_attempted_at = create_attempted_at - make_interval(secs => ${seconds})
    WHERE id = ${row.id}::uuid`);
  return await steps.row(row.id);
}

test('a create that is sent after its row has failed is deleted at once', async ({ steps }) => {
  const row = await steps.begun();
  const worker = frozen(steps);
  const late = createUser(steps.context({ provider: worker.provider }), row);
  await worker.reached;
  await beginCompensation(steps.db, row.id, FAILED, CANCELLED, {});
  expect(await deleteUser(steps.context(), row.id)).toBeNull();
  expect((await closeRegistration(steps.db, row.id)).status).toBe('failed');
  worker.thaw();
  expect(await late).toMatchObject({ status: 'failed', strayUsernames: [] });
  expect(await usernameOf(steps, row.email)).toBeNull();
});

test('a stray user that cannot be deleted yet stays recorded for the sweep', async ({ steps }) => {
  const row = await steps.begun();
  const worker = frozen(steps);
  const late = createUser(steps.context({ provider: worker.provider }), row);
  await worker.reached;
  await beginCompensation(steps.db, row.id, FAILED, CANCELLED, {});
  await deleteUser(steps.context(), row.id);
  await closeRegistration(steps.db, row.id);
  await steps.pool.setFaults([{ operation: 'AdminDeleteUser', fault: { kind: 'server' } }]);
  worker.thaw();
  const username = (await late).strayUsernames;
  expect(username).toEqual([await usernameOf(steps, row.email)]);
  expect((await rowsWithStrays(steps.db, 100)).map(({ id }) => id)).toContain(row.id);
});

test('a second user of a completed row is deleted, and the recorded user stays', async ({
  steps,
}) => {
  const row = await steps.begun([]);
  const worker = frozen(steps);
  const late = createUser(steps.context({ provider: worker.provider }), row);
  await worker.reached;
  await aged(steps, row, 5);
  const done = (await registerAtOnce(steps.context(), row.id)).row;
  expect(done.status).toBe('completed');
  await steps.pool.setFaults([
    { operation: 'AdminCreateUser', fault: { kind: 'duplicate', ms: 60_000 } },
  ]);
  worker.thaw();
  expect(await late).toMatchObject({ status: 'completed', strayUsernames: [] });
  expect(await usernameOf(steps, row.email)).toBe(done.cognitoUsername);
  expect(await usernameOf(steps, done.cognitoUsername ?? '')).toBe(done.cognitoUsername);
});

test('a lost reply delays the next create by two seconds of the database clock, whatever the worker’s clock', async ({
  steps,
}) => {
  const row = await steps.begun();
  await recordCreateAttempt(steps.db, row);
  for (const skewMs of [7_200_000, -7_200_000]) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + skewMs });
    const early = await createUser(steps.context(), await steps.row(row.id)).catch(
      (error: unknown) => error,
    );
    vi.useRealTimers();
    expect(early).toBeInstanceOf(TooEarly);
    expect((early as TooEarly).waitMs).toBeLessThanOrEqual(2000);
  }
});

test('a worker whose clock is behind keeps the grace, and one whose clock is ahead does not shorten it', async ({
  steps,
}) => {
  for (const skewMs of [7_200_000, -7_200_000]) {
    const row = await steps.begun();
    await recordCreateAttempt(steps.db, row);
    await beginCompensation(steps.db, row.id, FAILED, CANCELLED, {});
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + skewMs });
    const wait = await deleteUser(steps.context({ graceMs: 30_000 }), row.id);
    vi.useRealTimers();
    expect(wait?.graceMs).toBeGreaterThan(20_000);
    expect(wait?.graceMs).toBeLessThanOrEqual(30_000);
  }
});
