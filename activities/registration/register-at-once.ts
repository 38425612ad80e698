import type { AuditEvent } from '../../src/domain/audit-event.ts';
import { owesPassword, type Registration } from '../../src/domain/registration.ts';
import { performSaga } from '../../src/domain/saga.ts';
import { attemptsWith, type StepRecord } from '../../src/domain/step.ts';
import { DatabaseError } from '../../src/ledger/database-error.ts';
import { recordRolesAssigned } from '../../src/ledger/registrations/roles.ts';
import {
  beginSteps,
  complete,
  recordSteps,
  readRow,
} from '../../src/ledger/registrations/transitions.ts';
import { stepDone } from '../../src/ledger/work/steps.ts';
import type { StepFailureReport } from '../contract.ts';
import { callCreate, createUser, keepUser, TooEarly } from './create-user.ts';
import type { RecordedUser } from '../../src/ledger/registrations/create-attempt.ts';
import {
  beginWithCreateAttempt,
  completeAtOnce,
} from '../../src/ledger/registrations/fast-path.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { QuotaSpent } from '../quota.ts';
import { addRole } from './roles.ts';
import { FAILURES, type FailureName } from '../../src/domain/failure.ts';
import { outstandingOf } from './registration-progress.ts';
import { setPassword } from './set-password.ts';
import { mayAct, type PasswordContext, type StepContext } from '../step-context.ts';
import { databaseFailure, StepFailure } from '../step-failure.ts';

/** The result of one attempt of every due step. */
export interface AtOnce {
  readonly row: Registration;
  readonly stopped: StepFailureReport | null;
  /** The audit events of the registration, where this call completed it. */
  readonly timeline?: readonly AuditEvent[];
}

/**
 * The fast path: one attempt of each step within one local activity, so that the happy path costs one
 * workflow task. What it does not finish continues as ordinary activities. Safe to repeat: it begins
 * by reading the row, and each of its steps is safe to repeat.
 */
export async function registerAtOnce(
  ctx: PasswordContext,
  id: string,
  runId: string | null = null,
): Promise<AtOnce> {
  const attempted = await beginNew(ctx, id, runId);
  const begun = attempted ?? (await beginSteps(ctx.db, id, runId));
  if (begun.status !== 'running' || !mayAct(begun)) return { row: begun, stopped: null };
  // The step under way and what was known before it, for the report of a failure.
  let at: { step: string | null; known: Known } = {
    step: 'createUser',
    known: { row: begun, stopped: null, unrecorded: null },
  };
  const attempt =
    (step: string | null, work: (known: Known) => Promise<Known>) =>
    async (before: Known): Promise<{ known: Known; stop: boolean }> => {
      at = { step, known: before };
      const known = await work(before);
      at = { step, known };
      return { known, stop: known.stopped !== null || !mayAct(known.row) };
    };
  // Replaced roles are rare; the ordinary path removes and confirms them.
  const leaveToActivities = async (known: Known) => await Promise.resolve({ known, stop: true });
  try {
    const known = await performSaga(at.known, ({ row }) => outstandingOf(row), {
      createUser: attempt('createUser', async ({ row }) => {
        if (attempted) return await createNew(ctx, attempted);
        const created = await createUser(ctx, row);
        return recorded(mayAct(created) ? created : await readRow(ctx.db, id));
      }),
      setPassword: attempt('setPassword', async () => recorded(await setPassword(ctx, id))),
      removeRoles: leaveToActivities,
      assignRoles: async (before) => {
        if (before.row.rolesReplacedAt !== null) return await leaveToActivities(before);
        const { known: after } = await attempt(null, (state) => assignAll(ctx, state))(before);
        return { known: after, stop: after.stopped !== null || after.rolesLeft === true };
      },
      confirmRoles: leaveToActivities,
      complete: attempt('complete', (before) => completeKnown(ctx, before)),
    });
    const { unrecorded: _, rolesLeft: __, ...ended } = await record(ctx, known);
    return ended;
  } catch (error) {
    const { row } = await record(ctx, at.known);
    if (error instanceof QuotaSpent || error instanceof TooEarly) {
      return { row: await readRow(ctx.db, id), stopped: null };
    }
    const { step } = at;
    // A role step that cannot be recorded: the workflow reads the row again.
    if (step === null) throw error;
    const failure = failureOf(error, step);
    if (failure === undefined) throw error;
    const stopped = { step, failure, attempts: 1 };
    return { row: await recordSteps(ctx.db, id, recordsToRetry(row, [stopped])), stopped };
  }
}

/** What the fast path knows of a registration. */
interface Known extends AtOnce {
  /** The user that Cognito created, while only this process knows it: `row` has it, the ledger has not.
   * A crash leaves an open create attempt, whose user is found by e-mail and adopted by its mark. */
  readonly unrecorded: RecordedUser | null;
  readonly rolesLeft?: boolean;
}

function recorded(row: Registration): Known {
  return { row, stopped: null, unrecorded: null };
}

/** Every end of the fast path but completion records the user first. */
async function record(ctx: StepContext, known: Known): Promise<Known> {
  if (!known.unrecorded) return known;
  const row = await keepUser(ctx, known.row, known.unrecorded, known.row.createAttempt);
  return { ...known, row, unrecorded: null };
}

/** Begins a new registration together with its create attempt. null: it is not new, or the quota is
 * used up for now. */
async function beginNew(
  ctx: StepContext,
  id: string,
  runId: string | null,
): Promise<Registration | null> {
  try {
    // Before the transaction: inside, its lock would last through the flush to the disk.
    await ctx.acquireQuota('create');
  } catch (error) {
    if (error instanceof QuotaSpent) return null;
    throw error;
  }
  return await beginWithCreateAttempt(ctx.db, id, runId);
}

async function createNew(ctx: StepContext, attempted: Registration): Promise<Known> {
  const created = await callCreate(ctx, attempted);
  if ('row' in created) return recorded(created.row);
  const { user } = created;
  const known: Known = {
    row: {
      ...attempted,
      createOutcome: 'created',
      cognitoUsername: user.username,
      userId: user.sub,
      userCreatedAt: new Date(nowOf(attempted)),
    },
    stopped: null,
    unrecorded: user,
  };
  return owesPassword(attempted) ? await record(ctx, known) : known;
}

async function completeKnown(ctx: StepContext, known: Known): Promise<Known> {
  const { statusChanged } = ctx.telemetry;
  const { row, unrecorded } = known;
  if (unrecorded) {
    const steps = { createUser: doneOnce(row, 'createUser'), ...stepsOnCompletion(row) };
    const createdAt = row.userCreatedAt ?? new Date(nowOf(row));
    const done = await completeAtOnce(ctx.db, row, unrecorded, createdAt, steps);
    if (done) {
      statusChanged(done.registration);
      return { ...recorded(done.registration), timeline: done.timeline };
    }
  }
  const { row: current } = await record(ctx, known);
  const { id, roles } = row;
  const steps = stepsOnCompletion({ ...current, roles });
  const { registration } = await complete(ctx.db, id, roles, steps, statusChanged);
  return recorded(registration);
}

function failureOf(error: unknown, step: string): FailureName | undefined {
  if (error instanceof StepFailure) return error.failure;
  return error instanceof DatabaseError ? databaseFailure(error, step) : undefined;
}

// Transient failures continue as ordinary activities, and this attempt is added to theirs in the receipt.
// The workflow records a definitive failure.
function recordsToRetry(
  row: Registration,
  reports: readonly StepFailureReport[],
): Record<string, StepRecord> {
  const transient = reports.filter(({ failure }) => FAILURES[failure].kind !== 'definitive');
  return Object.fromEntries(
    transient.map(({ step, failure, attempts }) => [
      step,
      {
        status: 'retrying',
        attempts: attemptsWith(row.steps[step], attempts),
        lastError: FAILURES[failure].code,
      } as const,
    ]),
  );
}

// All calls are settled before anything is recorded: one in flight must not meet a compensation.
async function assignAll(ctx: StepContext, known: Known): Promise<Known> {
  const { row } = known;
  const wanted = row.roles.filter((role) => !row.rolesAssigned.includes(role));
  const results = await Promise.allSettled(wanted.map((role) => addRole(ctx, row, role)));
  const assigned = wanted.filter((_, index) => results[index]?.status === 'fulfilled');
  // `complete` records them.
  if (assigned.length === wanted.length) return known;
  const reports = wanted.flatMap((role, index): StepFailureReport[] => {
    const result = results[index];
    if (result?.status !== 'rejected') return [];
    const reason: unknown = result.reason;
    if (!(reason instanceof StepFailure)) return [];
    return [{ step: `assignRole:${role}`, failure: reason.failure, attempts: 1 }];
  });
  await record(ctx, known);
  const steps: Record<string, StepRecord> = recordsToRetry(row, reports);
  for (const role of assigned) steps[`assignRole:${role}`] = doneOnce(row, `assignRole:${role}`);
  const current = await recordRolesAssigned(ctx.db, row.id, assigned, steps);
  for (const result of results) {
    if (result.status === 'fulfilled' || result.reason instanceof StepFailure) continue;
    // The ordinary path waits in the queue of the quota.
    if (!(result.reason instanceof QuotaSpent)) throw result.reason;
  }
  const definitive = reports.find(({ failure }) => FAILURES[failure].kind === 'definitive');
  return { ...recorded(current), stopped: definitive ?? reports[0] ?? null, rolesLeft: true };
}

function stepsOnCompletion(row: Registration): Record<string, StepRecord> {
  const assigned = row.roles.map((role): [string, StepRecord] => {
    const name = `assignRole:${role}`;
    const known = row.rolesAssigned.includes(role) ? row.steps[name] : undefined;
    return [name, known ?? doneOnce(row, name)];
  });
  return { complete: stepDone(1), ...Object.fromEntries(assigned) };
}

function doneOnce(row: Registration, step: string): StepRecord {
  return stepDone(attemptsWith(row.steps[step], 1));
}
