import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import { SYSTEM_ACTOR, type AuditEventName } from '../../domain/audit-event.ts';
import { mayHaveProfile } from '../../domain/profile.ts';
import type {
  CompensationFailure,
  PublicFailure,
  Registration,
} from '../../domain/registration.ts';
import { COMPENSATING, isCompensating, isOpenForward } from '../../domain/status.ts';
import { isCompensation, type StepRecord } from '../../domain/step.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge, DatabaseError } from '../database-error.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { giveAddressBack } from './replacement.ts';
import { foundRow, ROW, selectRow, toRegistration, type RegistrationRow } from './row.ts';
import {
  mergeSteps,
  readRow,
  updateRow,
  type OnStatusChanged,
  type StepUpdates,
} from './transitions.ts';
import { leaveQuotaQueues } from '../quota.ts';

/**
 * Moves an open row to `compensating`; from here only `failed` or `cancelled` can follow. A row that
 * carries the instruction to cancel ends cancelled, whatever failed meanwhile. The returned row may also be
 * `completed` (the cancel came too late), compensating before, or closed.
 */
export async function beginCompensation(
  db: Database,
  id: string,
  cause: { readonly closesAs: 'failed' | 'cancelled'; readonly failure: PublicFailure },
  cancelled: PublicFailure,
  steps: StepUpdates,
  onStatusChanged?: OnStatusChanged,
): Promise<Registration> {
  return await moveLocked(db, id, onStatusChanged, (found) => {
    if (!isOpenForward(found.status)) return null;
    const requested = found.instruction === 'cancel';
    const closesAs = requested ? 'cancelled' : cause.closesAs;
    const failure = requested ? cancelled : cause.failure;
    return {
      set: {
        status: 'compensating',
        closesAs,
        failure,
        nextResumeAt: null,
        // No step sets it any more.
        sealedPassword: null,
        instructionAcknowledgedAt: sql`CASE WHEN instruction IS NULL THEN NULL ELSE coalesce(instruction_acknowledged_at, clock_timestamp()) END`,
        steps: mergeSteps(steps),
      },
      event: 'registration.compensating',
      details: { code: failure.code, cause: failure.cause, closesAs },
      leavesQuotaQueues: true,
    };
  });
}

/** Says that taking back keeps failing and a person is needed. Idempotent. */
export async function requireCleanup(
  db: Database,
  id: string,
  failures: readonly CompensationFailure[],
  steps: StepUpdates,
): Promise<Registration> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const [row] = await tx
        .update(registrations)
        .set({
          status: 'cleanup_required',
          compensationFailures: [...failures],
          steps: mergeSteps(steps),
        })
        .where(and(eq(registrations.id, id), inArray(registrations.status, [...COMPENSATING])))
        .returning(ROW);
      if (!row) return toRegistration(await selectRow(tx, id));
      return await appendOrRemember(tx, row, 'registration.cleanup_required', {
        code: row.failure?.code ?? null,
        compensation: failures.map(({ step, code }) => ({ step, code })),
      });
    }),
  );
}

/** Closes a compensated row as `failed` or `cancelled`. Idempotent. Refuses, and returns the row as it
 * is, while it is not proved that no user with our mark and no profile is left: one may have been recorded
 * since. */
export async function closeRegistration(
  db: Database,
  id: string,
  onStatusChanged?: OnStatusChanged,
): Promise<Registration> {
  return await moveLocked(db, id, onStatusChanged, (found) => {
    if (!isCompensating(found.status) || !nothingIsLeft(found)) return null;
    return {
      set: {
        status: found.closesAs ?? 'failed',
        finishedAt: sql`clock_timestamp()`,
        rolesAssigned: [],
        steps: takenBack(found),
      },
      event: closingEvent(found),
      details: { code: found.failure?.code ?? null },
      andThen: (tx) => giveAddressBack(tx, found),
    };
  });
}

/** A change of status, and the event that the audit trail gets of it. */
interface Move {
  readonly set: Parameters<ReturnType<Transaction['update']>['set']>[0] & Record<string, unknown>;
  readonly event: AuditEventName;
  readonly details: Readonly<Record<string, unknown>>;
  readonly leavesQuotaQueues?: boolean;
  /** What belongs to the move; the row holds its address no more by then. */
  readonly andThen?: (tx: Transaction) => Promise<void>;
}

/**
 * Locks a row and makes the move that `decide` says; null leaves the row as it is.
 * @returns the row as it is afterwards
 */
async function moveLocked(
  db: Database,
  id: string,
  onStatusChanged: OnStatusChanged | undefined,
  decide: (found: RegistrationRow) => Move | null,
): Promise<Registration> {
  let moved: Registration | undefined;
  const result = await atEdge(() =>
    db.transaction(async (tx) => {
      const found = await selectRow(tx, id, 'update');
      const move = decide(found);
      if (!move) return toRegistration(found);
      const { set, event, details } = move;
      const rows = await tx
        .update(registrations)
        .set(set)
        .where(eq(registrations.id, id))
        .returning(ROW);
      moved = await appendOrRemember(tx, foundRow(rows, id), event, details);
      if (move.leavesQuotaQueues) await leaveQuotaQueues(tx, id);
      await move.andThen?.(tx);
      return moved;
    }),
  );
  if (moved) onStatusChanged?.(moved);
  return result;
}

/** Records that the user was deleted, who may have signed in. Other attempts may still be open. */
export async function recordUserDeleted(
  db: Database,
  id: string,
  steps: StepUpdates,
): Promise<Registration> {
  const row = await atEdge(() =>
    db.transaction(async (tx) => {
      const deleted = await updateRow(
        tx,
        id,
        {
          userDeletedAt: sql`coalesce(user_deleted_at, clock_timestamp())`,
          steps: mergeSteps(steps),
        },
        inArray(registrations.status, [...COMPENSATING]),
      );
      if (deleted?.userId) await cutOffTokens(tx, deleted.userId, 'sessions_ended');
      return deleted;
    }),
  );
  return row ?? (await readRow(db, id));
}

/** Records the proof that no user with our mark is left, unless a user was recorded since the row was
 * read. @returns whether the proof holds */
export async function recordAbsence(
  db: Database,
  { id, cognitoUsername }: Registration,
  steps: StepUpdates,
): Promise<boolean> {
  const row = await updateRow(
    db,
    id,
    { absenceConfirmedAt: sql`clock_timestamp()`, steps: mergeSteps(steps) },
    sql`status IN ('compensating', 'cleanup_required') AND stray_usernames = '{}'
      AND cognito_username IS NOT DISTINCT FROM ${cognitoUsername}`,
  );
  return row !== null || !isCompensating((await readRow(db, id)).status);
}

/** Appends what the trail refused when it happened; the row remembers it. @returns how many */
export async function appendUnrecordedEvents(db: Database, limit: number): Promise<number> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const rows = await tx
        .select(ROW)
        .from(registrations)
        .where(sql`unrecorded_events <> '{}'`)
        .limit(limit)
        .for('update', { skipLocked: true });
      let count = 0;
      for (const row of rows) {
        for (const event of row.unrecordedEvents) {
          if (!(await appended(tx, row, event, { code: row.failure?.code ?? null }))) continue;
          count += 1;
          await tx
            .update(registrations)
            .set({ unrecordedEvents: sql`array_remove(unrecorded_events, ${event}::text)` })
            .where(eq(registrations.id, row.id));
        }
      }
      return count;
    }),
  );
}

function closingEvent(row: RegistrationRow): AuditEventName {
  return row.closesAs === 'cancelled' ? 'registration.cancelled' : 'registration.failed';
}

function nothingIsLeft(row: RegistrationRow): boolean {
  const { absenceConfirmedAt, strayUsernames, replacement } = row;
  if (mayHaveProfile(row)) return false;
  // The account of another person is disabled, or half deleted.
  const isHalfReplaced = replacement === 'disabling' || replacement === 'deleting';
  return absenceConfirmedAt !== null && strayUsernames.length === 0 && !isHalfReplaced;
}

function takenBack(row: RegistrationRow): Record<string, StepRecord> {
  const steps: Record<string, StepRecord> = {};
  for (const [name, step] of Object.entries(row.steps)) {
    if (isCompensation(name)) {
      steps[name] = step;
      continue;
    }
    const ended = step.status === 'retrying' ? 'failed' : step.status;
    steps[name] = { ...step, status: step.status === 'done' ? 'compensated' : ended };
  }
  return steps;
}

// A trail that refuses must not keep a compensation from being recorded: the row remembers what is
// missing from it.
async function appendOrRemember(
  tx: Transaction,
  row: RegistrationRow,
  event: AuditEventName,
  details: Readonly<Record<string, unknown>>,
): Promise<Registration> {
  if (await appended(tx, row, event, details)) return toRegistration(row);
  const [remembered] = await tx
    .update(registrations)
    .set({ unrecordedEvents: sql`array_append(unrecorded_events, ${event}::text)` })
    .where(eq(registrations.id, row.id))
    .returning(ROW);
  return toRegistration(remembered ?? row);
}

/** In a savepoint. @returns false when the trail refuses it definitively */
async function appended(
  tx: Transaction,
  row: RegistrationRow,
  event: AuditEventName,
  details: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  try {
    await atEdge(() =>
      tx.transaction((savepoint) =>
        appendAuditEvent(savepoint, {
          event,
          registrationId: row.id,
          userId: row.userId,
          // A retry of the cleanup takes the instruction's place: who pressed it did not cancel.
          actor:
            row.instruction === 'cancel' ? (row.instructionActor ?? SYSTEM_ACTOR) : SYSTEM_ACTOR,
          details,
        }),
      ),
    );
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.definitive) return false;
    throw error;
  }
}
