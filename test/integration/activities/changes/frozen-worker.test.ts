import { AdminListGroupsForUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { beginChange } from '../../../../activities/changes/begin-change.ts';
import { changeStep, confirmChange } from '../../../../activities/changes/change-steps.ts';
import type { StepContext } from '../../../../activities/step-context.ts';
import { changeStepsLeft } from '../../../../src/domain/change-progress.ts';
import type { Change } from '../../../../src/domain/change.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import { acceptChange } from '../../../../src/ledger/changes/accept.ts';
import { completeChange } from '../../../../src/ledger/changes/complete.ts';
import {
  beginRestoring,
  closeChange,
  readChangeRow,
} from '../../../../src/ledger/changes/transitions.ts';
import { changeInput } from '../../../support/change-input.ts';
import { registered } from '../../../support/registered.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';

const GRACE_MS = 30_000;
const CANCELLED = { restoresAs: 'cancelled', failure: publicFailure('change_cancelled') } as const;

type Person = Awaited<ReturnType<typeof registered>>;

/** A worker that stands still between recording its write and sending it. */
function frozen(steps: Steps): { context: StepContext; reached: Promise<void>; thaw(): void } {
  const reached = Promise.withResolvers<void>();
  const thawed = Promise.withResolvers<void>();
  const real = steps.provider();
  const provider = {
    ...real,
    addRole: async (...args: Parameters<typeof real.addRole>) => {
      reached.resolve();
      await thawed.promise;
      await real.addRole(...args);
    },
  };
  const context = steps.context({ provider, graceMs: GRACE_MS });
  return { context, reached: reached.promise, thaw: () => thawed.resolve() };
}

async function begun(steps: Steps, { userId }: Person, roles: readonly string[]): Promise<Change> {
  const input = changeInput(userId, 'roles', { roles });
  expect((await acceptChange(steps.db, input, null)).kind).toBe('accepted');
  return await beginChange(steps.context({ graceMs: GRACE_MS }), input.id, []);
}

/** As if everything of it had happened that much earlier. */
async function age(steps: Steps, { userId }: Person, seconds: number): Promise<void> {
  const earlier = sql`make_interval(secs => ${seconds})`;
  await steps.db.execute(sql`UPDATE registrations SET finished_at = finished_at - ${earlier},
    user_created_at = user_created_at - ${earlier} WHERE user_id = ${userId}`);
  await steps.db.execute(sql`UPDATE changes SET begun_at = begun_at - ${earlier},
    open_writes = (SELECT coalesce(jsonb_object_agg(key, to_jsonb(value::timestamptz - ${earlier})),
      '{}') FROM jsonb_each_text(open_writes)) WHERE user_id = ${userId}`);
}

async function rolesOf(steps: Steps, { cognitoUsername }: Person): Promise<string[]> {
  const at = { UserPoolId: steps.pool.userPoolId, Username: cognitoUsername ?? '' };
  const { Groups = [] } = await steps.pool.client.send(new AdminListGroupsForUserCommand(at));
  return Groups.map(({ GroupName = '' }) => GroupName).toSorted();
}

async function perform(steps: Steps, id: string): Promise<void> {
  for (const step of changeStepsLeft(await readChangeRow(steps.db, id)).flat()) {
    await changeStep(steps.context({ graceMs: GRACE_MS }), id, step);
  }
}

test('an assignment that is sent after a cancel is waited for, and taken back', async ({
  steps,
}) => {
  const person = await registered(steps, { roles: ['viewer'] });
  await age(steps, person, 60);
  const { id } = await begun(steps, person, ['researcher']);
  const worker = frozen(steps);
  const late = changeStep(worker.context, id, 'assignRole:researcher');
  await worker.reached;
  await beginRestoring(steps.db, id, CANCELLED, {});
  await perform(steps, id);
  const context = steps.context({ graceMs: GRACE_MS });
  const wait = await confirmChange(context, id);
  expect(wait).toHaveProperty('graceMs');
  worker.thaw();
  await late;
  expect(await rolesOf(steps, person)).toEqual(['researcher', 'viewer']);
  // Its answer came too late to say that nothing landed after the removal.
  expect(await confirmChange(context, id)).toHaveProperty('graceMs');
  await age(steps, person, 31);
  const looked = await confirmChange(context, id);
  if (!('change' in looked)) throw new Error('still waits');
  expect(changeStepsLeft(looked.change)).toEqual([['removeRole:researcher']]);
  await perform(steps, id);
  const confirmed = await confirmChange(context, id);
  expect('change' in confirmed && changeStepsLeft(confirmed.change)).toEqual([]);
  expect((await closeChange(steps.db, id, {})).status).toBe('cancelled');
  expect(await rolesOf(steps, person)).toEqual(['viewer']);
});

test('a worker that wakes up after the change was decided otherwise sends nothing', async ({
  steps,
}) => {
  const person = await registered(steps, { roles: ['viewer'] });
  await age(steps, person, 60);
  const { id } = await begun(steps, person, ['researcher']);
  await beginRestoring(steps.db, id, CANCELLED, {});
  await steps.pool.clearCalls();
  await changeStep(steps.context(), id, 'assignRole:researcher');
  expect(await steps.pool.calls()).toEqual({});
});

test('a write that agrees with what is wanted is not waited for', async ({ steps }) => {
  const person = await registered(steps, { roles: ['viewer'] });
  await age(steps, person, 60);
  const { id } = await begun(steps, person, ['researcher', 'viewer']);
  const worker = frozen(steps);
  const late = changeStep(worker.context, id, 'assignRole:researcher');
  await worker.reached;
  await perform(steps, id);
  const confirmed = await confirmChange(steps.context({ graceMs: GRACE_MS }), id);
  expect(confirmed).toHaveProperty('change');
  expect((await completeChange(steps.db, id, {})).kind).toBe('completed');
  worker.thaw();
  await late;
  expect(await rolesOf(steps, person)).toEqual(['researcher', 'viewer']);
});

test('a change that has begun is planned once', async ({ steps }) => {
  const person = await registered(steps, { roles: ['viewer'] });
  await age(steps, person, 60);
  const { id } = await begun(steps, person, ['researcher']);
  await perform(steps, id);
  const done = await readChangeRow(steps.db, id);
  await steps.pool.clearCalls();
  const again = await beginChange(steps.context(), id, []);
  expect(again.steps).toEqual(done.steps);
  expect(again.rolesBefore).toEqual(['viewer']);
  expect(await steps.pool.calls()).toEqual({});
});
