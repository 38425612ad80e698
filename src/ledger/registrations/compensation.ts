import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import type { AuditEventName } from '../../domain/audit-event.ts';
import type {
  CompensationFailure,
  PublicFailure,
  Registration,
} from '../../domain/registration.ts';
import { COMPENSATING, isCompensating, isOpenForward } from '../../domain/status.ts';
import { isCompensation } from '../../domain/step.ts';
import { atEdge } from '../database-error.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { giveAddressBack } from './replacement.ts';
import { mergeSteps, stepsTakenBack, type StepUpdates } from '../work/steps.ts';
import { moveLocked as moveLockedOf, type Move } from '../work/move.ts';
import { appendOrRemember } from '../work/unrecorded-events.ts';
import { ACKNOWLEDGED } from '../work/work.ts';
import { REGISTRATION_WORK, ROW, selectRow, toRegistration, type RegistrationRow } from './row.ts';
import { readRow, updateRow, type OnStatusChanged } from './transitions.ts';
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
        instructionAcknowledgedAt: ACKNOWLEDGED,
        steps: mergeSteps(steps),
      },
      event: 'registration.compensating',
      details: { code: failure.code, cause: failure.cause, closesAs },
      andThen: (tx) => leaveQuotaQueues(tx, id),
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
      const remembered = await appendOrRemember(
        tx,
        REGISTRATION_WORK,
        row,
        'registration.cleanup_required',
        {
          code: row.failure?.code ?? null,
          compensation: failures.map(({ step, code }) => ({ step, code })),
        },
      );
      return toRegistration(remembered);
    }),
  );
}

/** Closes a compensated row as `failed` or `cancelled`. Idempotent. Refuses, and returns the row as it
 * is, while it is not proved that no user with our mark is left: one may have been recorded since. */
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
        steps: stepsTakenBack(found.steps, isCompensation),
      },
      event: closingEvent(found),
      details: { code: found.failure?.code ?? null },
      andThen: (tx) => giveAddressBack(tx, found),
    };
  });
}

async function moveLocked(
  db: Database,
  id: string,
  onStatusChanged: OnStatusChanged | undefined,
  decide: (found: RegistrationRow) => Move | null,
): Promise<Registration> {
  const { row, moved } = await atEdge(() =>
    db.transaction((tx) => moveLockedOf(tx, REGISTRATION_WORK, id, decide)),
  );
  const registration = toRegistration(row);
  if (moved) onStatusChanged?.(registration);
  return registration;
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

function closingEvent(row: RegistrationRow): AuditEventName {
  return row.closesAs === 'cancelled' ? 'registration.cancelled' : 'registration.failed';
}

function nothingIsLeft(row: RegistrationRow): boolean {
  const { absenceConfirmedAt, strayUsernames, replacement } = row;
  // The account of another person is disabled, or half deleted.
  const isHalfReplaced = replacement === 'disabling' || replacement === 'deleting';
  return absenceConfirmedAt !== null && strayUsernames.length === 0 && !isHalfReplaced;
}
