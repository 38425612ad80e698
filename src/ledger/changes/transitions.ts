import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import {
  isOpenChange,
  isTakenBackStep,
  NOT_CANCELLABLE,
  OVERTAKING,
  type Change,
} from '../../domain/change.ts';
import { publicFailure } from '../../domain/failure.ts';
import type { PublicFailure } from '../../domain/registration.ts';
import { atEdge } from '../database-error.ts';
import { selectRow as selectRegistration, toRegistration } from '../registrations/row.ts';
import { leaveQuotaQueues } from '../quota.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { moveLocked, type Move } from '../work/move.ts';
import { mergeSteps, stepsTakenBack, textArray, type StepUpdates } from '../work/steps.ts';
import { ACKNOWLEDGED, selectRow, updateRow } from '../work/work.ts';
import { closing } from './cancel.ts';
import { underAdministratorsLock, type RefusesChange } from './last-administrator.ts';
import { CHANGE_WORK, toChange, type ChangeRow, type OnChangeStatusChanged } from './row.ts';

/** Open, not being put back, and nobody wants it cancelled. */
export const GOES_FORWARD = sql`open AND restores_as IS NULL AND instruction IS DISTINCT FROM 'cancel'`;

function goesForward({ status, restoresAs, instruction }: ChangeRow): boolean {
  return isOpenChange(status) && restoresAs === null && instruction !== 'cancel';
}

/** The row as it stands. @throws DatabaseError; an id without a row is a bug and throws too. */
export async function readChangeRow(db: Database, id: string): Promise<Change> {
  return await atEdge(async () => toChange(await selectRow(db, CHANGE_WORK, id)));
}

/**
 * The open change of a person that goes first. Overtaking ones go before all changes of roles that were
 * accepted before them.
 * @returns null where none is open
 */
export async function firstChange(
  db: Database,
  userId: string,
): Promise<{ readonly id: string } | null> {
  const [first] = await atEdge(() =>
    db.execute<{ id: string }>(sql`
      WITH waiting AS (
        SELECT id, kind, position, max(position) FILTER (WHERE kind = ANY(${textArray(OVERTAKING)}))
          OVER () AS overtaking FROM changes WHERE user_id = ${userId} AND open
      )
      SELECT id FROM waiting
      WHERE overtaking IS NULL OR (position <= overtaking AND kind <> 'roles')
      ORDER BY position LIMIT 1`),
  );
  return first ?? null;
}

/** The first change of a person, which learns which run looked at it last; see `firstChange`. */
export async function nextChange(
  db: Database,
  userId: string,
  runId: string | null,
): Promise<Change | null> {
  const looked = { runId: sql`coalesce(${runId}::text, run_id)` };
  for (;;) {
    const first = await firstChange(db, userId);
    if (!first) return null;
    const row = await atEdge(() => updateRow(db, CHANGE_WORK, first.id, looked, CHANGE_WORK.open));
    // Closed in between: another one goes first now.
    if (row) return toChange(row);
  }
}

export interface ChangeStart {
  /** The groups as they were read and corrected; only the first one recorded counts. */
  readonly rolesBefore: readonly string[] | null;
  readonly enabledBefore: boolean | null;
}

export type BeginChangeResult =
  /** It may act, also when it had begun before. */
  | { readonly kind: 'begun'; readonly change: Change }
  /** Nothing was written, and nobody could grant every role after it. */
  | { readonly kind: 'last_administrator'; readonly change: Change }
  /** It is closed, being put back, or to be cancelled: the row says which. */
  | { readonly kind: 'not_forward'; readonly change: Change };

/**
 * Begins a change: `accepted` becomes `running`, a parked one stays parked. From here Cognito may be
 * written. A change that adds roles learns all of them. For `disable` and `delete` the person's tokens
 * end already. Repeatable.
 * @param refuses only asked of a change that has not begun
 */
export async function beginChange(
  db: Database,
  id: string,
  { rolesBefore, enabledBefore }: ChangeStart,
  refuses: RefusesChange | null,
): Promise<BeginChangeResult> {
  const before = rolesBefore === null ? sql`NULL::text[]` : textArray(rolesBefore);
  const begin = async (tx: Transaction): Promise<BeginChangeResult> => {
    const found = await selectRow(tx, CHANGE_WORK, id, 'update');
    if (!goesForward(found)) return { kind: 'not_forward', change: toChange(found) };
    if (refuses && found.begunAt === null) {
      const registration = toRegistration(await selectRegistration(tx, found.registrationId));
      if (await refuses(tx, registration)) {
        return { kind: 'last_administrator', change: toChange(found) };
      }
    }
    const row = await updateRow(tx, CHANGE_WORK, id, {
      status: sql`CASE status WHEN 'parked' THEN status ELSE 'running' END`,
      begunAt: sql`coalesce(begun_at, clock_timestamp())`,
      rolesBefore: sql`coalesce(roles_before, ${before})`,
      enabledBefore: sql`coalesce(enabled_before, ${enabledBefore}::boolean)`,
      roles: sql`CASE WHEN adds_roles
        THEN ARRAY(SELECT DISTINCT unnest(roles || coalesce(roles_before, ${before}))) ELSE roles END`,
    });
    if (found.kind === 'disable' || found.kind === 'delete') {
      await cutOffTokens(tx, found.userId, 'sessions_ended');
    }
    return { kind: 'begun', change: toChange(row ?? found) };
  };
  return await atEdge(() => (refuses ? underAdministratorsLock(db, begin) : db.transaction(begin)));
}

/** Notes steps of an open row; a closed one stays as it is. */
export async function recordChangeSteps(
  db: Database,
  id: string,
  steps: StepUpdates,
): Promise<Change> {
  return await atEdge(async () => {
    const columns = { steps: mergeSteps(steps) };
    const row = await updateRow(db, CHANGE_WORK, id, columns, CHANGE_WORK.open);
    return toChange(row ?? (await selectRow(db, CHANGE_WORK, id)));
  });
}

/**
 * Moves an open change to where everything is put back; it never goes forward again. One with the
 * instruction to cancel ends cancelled, whatever failed meanwhile. A `sign_out` or `delete` that has
 * begun is not cancelled. The returned row says what holds: see `restoresAs`.
 */
export async function beginRestoring(
  db: Database,
  id: string,
  cause: { readonly restoresAs: 'failed' | 'cancelled'; readonly failure: PublicFailure },
  steps: StepUpdates,
): Promise<Change> {
  return await move(db, id, undefined, (found) => {
    if (!isOpenChange(found.status) || found.restoresAs !== null) return null;
    const isRequested = found.instruction === 'cancel';
    const restoresAs = isRequested ? 'cancelled' : cause.restoresAs;
    const goesOn = found.begunAt !== null && NOT_CANCELLABLE.includes(found.kind);
    if (restoresAs === 'cancelled' && goesOn) return null;
    const failure = isRequested ? publicFailure('change_cancelled') : cause.failure;
    return {
      set: {
        status: 'running',
        restoresAs,
        restoringFailure: failure,
        failure,
        nextResumeAt: null,
        // A late park of what went forward is known by it, and does not park what is put back.
        resumeAttempts: sql`resume_attempts + 1`,
        instructionAcknowledgedAt: ACKNOWLEDGED,
        steps: mergeSteps(steps),
      },
      event: 'change.restoring',
      details: { code: failure.code, cause: failure.cause, closesAs: restoresAs },
      // Its steps wait no more, and nobody is to wait behind them.
      andThen: (tx) => leaveQuotaQueues(tx, id),
    };
  });
}

/** Closes a change that was put back as `failed` or `cancelled`. Idempotent. */
export async function closeChange(
  db: Database,
  id: string,
  steps: StepUpdates,
  onStatusChanged?: OnChangeStatusChanged,
): Promise<Change> {
  return await move(db, id, onStatusChanged, (found) => {
    if (!isOpenChange(found.status) || found.restoresAs === null) return null;
    const close = closing(found);
    const keeps = (step: string): boolean => !isTakenBackStep(found, step);
    return {
      ...close,
      set: { ...close.set, steps: stepsTakenBack({ ...found.steps, ...steps }, keeps) },
      andThen: async (tx) => {
        // Tokens that were issued meanwhile name roles that the person has no more.
        if (found.rolesTouched.length > 0) await cutOffTokens(tx, found.userId, 'roles_changed');
      },
    };
  });
}

async function move(
  db: Database,
  id: string,
  onStatusChanged: OnChangeStatusChanged | undefined,
  decide: (found: ChangeRow) => Move | null,
): Promise<Change> {
  const { row, moved } = await atEdge(() =>
    db.transaction((tx) => moveLocked(tx, CHANGE_WORK, id, decide)),
  );
  const change = toChange(row);
  if (moved) onStatusChanged?.(change);
  return change;
}
