import { owesPassword, type Registration } from '../../src/domain/registration.ts';
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
import { FAILURES } from '../../src/domain/failure.ts';
import { setPassword } from './set-password.ts';
import { mayAct, type PasswordContext, type StepContext } from '../step-context.ts';
import { databaseFailure, StepFailure } from '../step-failure.ts';

/** What an attempt at everything came to. */
export interface AtOnce {
  readonly row: Registration;
  readonly stopped: StepFailureReport | null;
}

/**
 * Every step once, as far as it goes; the happy path costs one workflow task. What it did not
 * finish goes on as ordinary activities. Safe to repeat: each of its steps is, and it begins by
 * asking the row.
 */
export async function registerAtOnce(
  ctx: PasswordContext,
  id: string,
  runId: string | null = null,
): Promise<AtOnce> {
  let row = await beginSteps(ctx.db, id, runId);
  if (row.status !== 'running' || !mayAct(row)) return { row, stopped: null };
  let step = 'createUser';
  try {
    row = await createUser(ctx, row);
    if (!mayAct(row)) return { row: await readRow(ctx.db, id), stopped: null };
    if (owesPassword(row)) {
      step = 'setPassword';
      row = await setPassword(ctx, id);
      if (!mayAct(row)) return { row, stopped: null };
    }
    // An operator has replaced roles: that is rare, and the ordinary path does it.
    if (
      row.rolesReplacedAt !== null ||
      row.rolesTouched.some((role) => !row.roles.includes(role))
    ) {
      return { row, stopped: null };
    }
    const { stopped, left } = await assignAll(ctx, row);
    if (stopped || left) return { row: await readRow(ctx.db, id), stopped };
    step = 'complete';
    const steps: Record<string, StepRecord> = { complete: stepDone(1) };
    for (const role of row.roles) {
      const name = `assignRole:${role}`;
      steps[name] = row.rolesAssigned.includes(role)
        ? (row.steps[name] ?? stepDone(1))
        : doneOnce(row, name);
    }
    const { registration } = await complete(
      ctx.db,
      id,
      row.roles,
      steps,
      ctx.telemetry.statusChanged,
    );
    return { row: registration, stopped: null };
  } catch (error) {
    if (error instanceof QuotaSpent || error instanceof TooEarly)
      return { row: await readRow(ctx.db, id), stopped: null };
    const failure =
      error instanceof StepFailure
        ? error.failure
        : error instanceof DatabaseError
          ? databaseFailure(error, step)
          : undefined;
    if (failure === undefined) throw error;
    const stopped = { step, failure, attempts: 1 };
    return { row: await recordSteps(ctx.db, id, goingOn(row, [stopped])), stopped };
  }
}

// They go on as ordinary activities, which count from here. A definitive one is told by the run.
function goingOn(
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

// All are settled before anything is said: one that still flies must not meet a compensation.
async function assignAll(
  ctx: StepContext,
  row: Registration,
): Promise<{ readonly stopped: StepFailureReport | null; readonly left: boolean }> {
  const wanted = row.roles.filter((role) => !row.rolesAssigned.includes(role));
  const results = await Promise.allSettled(wanted.map((role) => addRole(ctx, row, role)));
  const assigned = wanted.filter((_, index) => results[index]?.status === 'fulfilled');
  if (assigned.length === wanted.length) return { stopped: null, left: false };
  const reports = wanted.flatMap((role, index): StepFailureReport[] => {
    const result = results[index];
    if (result?.status !== 'rejected') return [];
    const reason: unknown = result.reason;
    if (!(reason instanceof StepFailure)) return [];
    return [{ step: `assignRole:${role}`, failure: reason.failure, attempts: 1 }];
  });
  const steps: Record<string, StepRecord> = goingOn(row, reports);
  for (const role of assigned) steps[`assignRole:${role}`] = doneOnce(row, `assignRole:${role}`);
  await recordRolesAssigned(ctx.db, row.id, assigned, steps);
  for (const result of results) {
    if (result.status === 'fulfilled' || result.reason instanceof StepFailure) continue;
    // Its turn comes later, as an ordinary activity's.
    if (!(result.reason instanceof QuotaSpent)) throw result.reason;
  }
  const definitive = reports.find(({ failure }) => FAILURES[failure].kind === 'definitive');
  return { stopped: definitive ?? reports[0] ?? null, left: true };
}

function doneOnce(row: Registration, step: string): StepRecord {
  return stepDone(attemptsWith(row.steps[step], 1));
}
