import type { Registration } from '../../src/domain/registration.ts';
import { performSaga } from '../../src/domain/saga.ts';
import { attemptsWith, type StepRecord } from '../../src/domain/step.ts';
import { DatabaseError } from '../../src/ledger/database-error.ts';
import { recordRolesAssigned } from '../../src/ledger/registrations/roles.ts';
import {
  beginSteps,
  complete,
  stepDone,
  recordSteps,
  readRow,
} from '../../src/ledger/registrations/transitions.ts';
import type { StepFailureReport } from '../contract.ts';
import { createUser, TooEarly } from './create-user.ts';
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
  const begun = await beginSteps(ctx.db, id, runId);
  if (begun.status !== 'running' || !mayAct(begun)) return { row: begun, stopped: null };
  // The step under way and the row before it, for the report of a failure.
  let at: { step: string | null; row: Registration } = { step: 'createUser', row: begun };
  const attempt =
    (step: string, work: (known: AtOnce) => Promise<AtOnce>) =>
    async (before: AtOnce): Promise<{ known: AtOnce; stop: boolean }> => {
      at = { step, row: before.row };
      const known = await work(before);
      return { known, stop: known.stopped !== null || !mayAct(known.row) };
    };
  // Replaced roles are rare; the ordinary path removes and confirms them.
  const leaveToActivities = async (known: AtOnce) => await Promise.resolve({ known, stop: true });
  try {
    return await performSaga<AtOnce>(
      { row: begun, stopped: null },
      ({ row }) => outstandingOf(row),
      {
        createUser: attempt('createUser', async ({ row }) => {
          const created = await createUser(ctx, row);
          return { row: mayAct(created) ? created : await readRow(ctx.db, id), stopped: null };
        }),
        setPassword: attempt('setPassword', async () => ({
          row: await setPassword(ctx, id),
          stopped: null,
        })),
        removeRoles: leaveToActivities,
        assignRoles: async (known) => {
          at = { step: null, row: known.row };
          return known.row.rolesReplacedAt === null
            ? await assignAll(ctx, known.row)
            : await leaveToActivities(known);
        },
        confirmRoles: leaveToActivities,
        complete: attempt('complete', async ({ row }) => {
          const { roles } = row;
          const steps = stepsOnCompletion(row);
          const { statusChanged } = ctx.telemetry;
          const { registration } = await complete(ctx.db, id, roles, steps, statusChanged);
          return { row: registration, stopped: null };
        }),
      },
    );
  } catch (error) {
    if (error instanceof QuotaSpent || error instanceof TooEarly) {
      return { row: await readRow(ctx.db, id), stopped: null };
    }
    const { step, row } = at;
    // A role step that cannot be recorded: the workflow reads the row again.
    if (step === null) throw error;
    const failure = failureOf(error, step);
    if (failure === undefined) throw error;
    const stopped = { step, failure, attempts: 1 };
    return { row: await recordSteps(ctx.db, id, recordsToRetry(row, [stopped])), stopped };
  }
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

// All calls are settled before anything is recorded: no call may be in flight when compensation starts.
async function assignAll(
  ctx: StepContext,
  row: Registration,
): Promise<{ readonly known: AtOnce; readonly stop: boolean }> {
  const wanted = row.roles.filter((role) => !row.rolesAssigned.includes(role));
  const results = await Promise.allSettled(wanted.map((role) => addRole(ctx, row, role)));
  const assigned = wanted.filter((_, index) => results[index]?.status === 'fulfilled');
  // `complete` records them.
  if (assigned.length === wanted.length) return { known: { row, stopped: null }, stop: false };
  const reports = wanted.flatMap((role, index): StepFailureReport[] => {
    const result = results[index];
    if (result?.status !== 'rejected') return [];
    const reason: unknown = result.reason;
    if (!(reason instanceof StepFailure)) return [];
    return [{ step: `assignRole:${role}`, failure: reason.failure, attempts: 1 }];
  });
  const steps: Record<string, StepRecord> = recordsToRetry(row, reports);
  for (const role of assigned) steps[`assignRole:${role}`] = doneOnce(row, `assignRole:${role}`);
  const recorded = await recordRolesAssigned(ctx.db, row.id, assigned, steps);
  for (const result of results) {
    if (result.status === 'fulfilled' || result.reason instanceof StepFailure) continue;
    // The ordinary path waits in the queue of the quota.
    if (!(result.reason instanceof QuotaSpent)) throw result.reason;
  }
  const definitive = reports.find(({ failure }) => FAILURES[failure].kind === 'definitive');
  return { known: { row: recorded, stopped: definitive ?? reports[0] ?? null }, stop: true };
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
