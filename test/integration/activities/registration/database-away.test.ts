import { expect } from 'vitest';
import { createUser } from '../../../../activities/registration/create-user.ts';
import { deleteUser } from '../../../../activities/registration/delete-user.ts';
import type { IdentityProvider } from '../../../../src/cognito/adapter.ts';
import { assignRole } from '../../../../activities/registration/roles.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { DatabaseError } from '../../../../src/ledger/database-error.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { complete } from '../../../../src/ledger/registrations/transitions.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';

test.afterEach(async ({ steps }) => {
  await steps.pool.clearCalls();
});

/** The provider, and PostgreSQL's connections are cut as soon as this call has had its effect. */
const cuttingAfter = (
  steps: Steps,
  method: 'createUser' | 'addRole' | 'deleteUser',
): IdentityProvider => {
  const real = steps.provider();
  const cut = async <T>(result: Promise<T>): Promise<T> => {
    const value = await result;
    await steps.cutConnections();
    return value;
  };
  return {
    ...real,
    ...(method === 'createUser' && {
      createUser: (user, signal) => cut(real.createUser(user, signal)),
    }),
    ...(method === 'addRole' && {
      addRole: (username, role, signal) => cut(real.addRole(username, role, signal)),
    }),
    ...(method === 'deleteUser' && {
      deleteUser: (username, signal) => cut(real.deleteUser(username, signal)),
    }),
  };
};

/** The step once more until it is done: what Temporal does, without its waiting. */
async function untilDone(attempt: (first: boolean) => Promise<unknown>): Promise<number> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      await attempt(attempts === 1);
      return attempts;
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.definitive) throw error;
    }
  }
}

test('a connection cut after AdminCreateUser does not lose the record, and there is one user', async ({
  steps,
}) => {
  const { id } = await steps.begun();
  const provider = cuttingAfter(steps, 'createUser');
  await untilDone(async (first) => {
    const row = await steps.row(id);
    // The row knows of no outcome: the next attempt is later than a lost reply asks for.
    const settled = first ? row : { ...row, createAttemptedAt: new Date(0) };
    await createUser(steps.context(first ? { provider } : {}), settled);
  });
  expect(await steps.effects('AdminCreateUser')).toBe(1);
  expect((await steps.row(id)).createOutcome).toBe('created');
});

test('a connection cut after AdminAddUserToGroup assigns the role at most once more', async ({
  steps,
}) => {
  const { id } = await createUser(steps.context(), await steps.begun());
  const provider = cuttingAfter(steps, 'addRole');
  await untilDone((first) => assignRole(steps.context(first ? { provider } : {}), id, 'viewer'));
  expect((await steps.row(id)).rolesAssigned).toEqual(['viewer']);
  expect(await steps.effects('AdminAddUserToGroup')).toBeLessThanOrEqual(2);
});

test('a connection cut after AdminDeleteUser does not undo the deletion', async ({ steps }) => {
  const { id } = await createUser(steps.context(), await steps.begun());
  const cause = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
  await beginCompensation(steps.db, id, cause, publicFailure('registration_cancelled'), {});
  const provider = cuttingAfter(steps, 'deleteUser');
  await untilDone((first) => deleteUser(steps.context(first ? { provider } : {}), id));
  expect((await steps.row(id)).absenceConfirmedAt).not.toBeNull();
  expect(await steps.effects('AdminDeleteUser')).toBe(1);
});

test('a transaction cut three times completes the registration once', async ({ steps }) => {
  const { id } = await createUser(steps.context(), await steps.begun());
  await assignRole(steps.context(), id, 'viewer');
  await steps.cutWhileAppending(3);
  const attempts = await untilDone(() => complete(steps.db, id, ['viewer'], {}));
  // A cut can take a second connection's statement with it: three at least failed.
  expect(attempts).toBeGreaterThanOrEqual(4);
  expect((await steps.row(id)).status).toBe('completed');
  const timeline = await readTimeline(steps.db, id);
  expect(timeline.map(({ event }) => event)).toEqual(['registration.requested', 'user.registered']);
});
