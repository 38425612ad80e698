import { createHash, randomUUID } from 'node:crypto';
import { and, eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { outbox, outboxDeliveries, registrations } from '../../db/schema.ts';

import type { PublicFailure, Registration } from '../../domain/registration.ts';
import { OPEN, OPEN_FORWARD } from '../../domain/status.ts';
import type { UserEventType } from '../../domain/user-event.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { mergeSteps, textArray, type StepUpdates } from '../work/steps.ts';
import { ACKNOWLEDGED, updateRow as updateWorkRow, type ColumnUpdates } from '../work/work.ts';
import { REGISTRATION_WORK, ROW, selectRow, toRegistration, type RegistrationRow } from './row.ts';

/** Told once, after the commit, by the call that really moved the row; a repeat moves nothing. */
export type OnStatusChanged = (row: Registration) => void;

/** The row is one of the saga's own, still going forward, and nobody wants it cancelled. */
export const GOES_FORWARD = and(
  inArray(registrations.status, [...OPEN_FORWARD]),
  sql`instruction IS DISTINCT FROM 'cancel'`,
);

/** The row as it stands. @throws DatabaseError; an id without a row is a bug and throws too. */
export async function readRow(db: Database, id: string): Promise<Registration> {
  return await atEdge(async () => toRegistration(await selectRow(db, id)));
}

const BEGINS = sql`status IN ('accepted', 'running') AND instruction IS DISTINCT FROM 'cancel'`;

/**
 * Begins the steps: accepted or running becomes running. A parked, closing or closed row, or one that
 * carries the instruction to cancel, keeps its status; the returned row says which. An open row learns which
 * run looked at it last.
 */
export async function beginSteps(
  db: Database,
  id: string,
  runId: string | null = null,
): Promise<Registration> {
  const begun = await updateRow(
    db,
    id,
    {
      status: sql`CASE WHEN ${BEGINS} THEN 'running' ELSE status END`,
      runId: sql`coalesce(${runId}::text, run_id)`,
      rolesTouched: sql`CASE WHEN ${BEGINS}
        THEN ARRAY(SELECT DISTINCT unnest(roles_touched || roles)) ELSE roles_touched END`,
    },
    inArray(registrations.status, [...OPEN]),
  );
  return begun ?? (await readRow(db, id));
}

/** Notes steps of an open row; a closed one stays as it is. */
export async function recordSteps(
  db: Database,
  id: string,
  steps: StepUpdates,
): Promise<Registration> {
  const open = inArray(registrations.status, [...OPEN]);
  const row = await updateRow(db, id, { steps: mergeSteps(steps) }, open);
  return row ?? (await readRow(db, id));
}

/** Records what a running row waits for; one that was decided since keeps what it says. */
export async function recordRunningFailure(
  db: Database,
  id: string,
  failure: PublicFailure,
): Promise<void> {
  await updateRow(
    db,
    id,
    { failure },
    sql`status = 'running' AND create_outcome IS DISTINCT FROM 'created'
    AND (instruction IS NULL OR instruction_acknowledged_at IS NOT NULL)`,
  );
}

export type CompleteResult =
  /** Also when it was completed before. */
  | { readonly kind: 'completed'; readonly registration: Registration }
  /** Other roles were wanted since `roles` were assigned, the user's groups are not confirmed after
   * that, or the password is not set: not done yet. */
  | { readonly kind: 'steps_left'; readonly registration: Registration }
  | { readonly kind: 'not_open'; readonly registration: Registration };

/**
 * The only way to `completed`: row, `user.registered`, outbox, in one transaction. A completed row
 * is done and inserts nothing, so a commit whose reply was lost can be repeated.
 * @param roles that were assigned; the row must still want exactly these
 */
export async function complete(
  db: Database,
  id: string,
  roles: readonly string[],
  steps: StepUpdates,
  onStatusChanged?: OnStatusChanged,
): Promise<CompleteResult> {
  let moved: Registration | undefined;
  const result = await atEdge(() =>
    db.transaction(async (tx): Promise<CompleteResult> => {
      const [row] = await tx
        .update(registrations)
        .set({
          status: 'completed',
          finishedAt: sql`clock_timestamp()`,
          failure: null,
          nextResumeAt: null,
          rolesAssigned: sql`roles`,
          instructionAcknowledgedAt: ACKNOWLEDGED,
          invitationStatus: sql`CASE WHEN invite THEN 'pending' ELSE 'none' END`,
          steps: mergeSteps(steps),
        })
        .where(
          and(
            eq(registrations.id, id),
            GOES_FORWARD,
            sql`create_outcome = 'created'`,
            sql`(sealed_at IS NULL OR password_set_at IS NOT NULL)`,
            sql`roles @> ${textArray(roles)} AND roles <@ ${textArray(roles)}`,
            // A role that was wanted once and is not any more has to be removed first.
            sql`roles_touched <@ (roles || roles_removed)`,
            sql`(roles_replaced_at IS NULL OR roles_confirmed_at >= roles_replaced_at)`,
          ),
        )
        .returning(ROW);
      if (!row) return await whyNotCompleted(tx, id);
      await appendAuditEvent(tx, {
        event: 'user.registered',
        registrationId: id,
        userId: row.userId,
        actor: row.requestedBy,
        key: row.userId ?? '',
        details: { roles: row.roles, door: row.door },
      });
      await tellOthers(tx, row, row.finishedAt ?? row.readAt);
      moved = toRegistration(row);
      return { kind: 'completed', registration: moved };
    }),
  );
  if (moved) onStatusChanged?.(moved);
  return result;
}

async function whyNotCompleted(tx: Transaction, id: string): Promise<CompleteResult> {
  const row = await selectRow(tx, id);
  const registration = toRegistration(row);
  if (row.status === 'completed') return { kind: 'completed', registration };
  const forward =
    (OPEN_FORWARD as readonly string[]).includes(row.status) && row.instruction !== 'cancel';
  return { kind: forward ? 'steps_left' : 'not_open', registration };
}

async function tellOthers(tx: Transaction, row: RegistrationRow, now: Date): Promise<void> {
  const kind = 'user.created';
  await tx
    .insert(outbox)
    .values({ id: eventIdOf(row.id, kind), registrationId: row.id, kind, occurredAt: now })
    .onConflictDoNothing();
  if (row.invite) await queueInvitation(tx, row.id, now);
}

// The id deduplicates: where a failover lost what was told already, the same is told again under it.
export function eventIdOf(registrationId: string, event: UserEventType): string {
  return createHash('sha256').update(`${event}/${registrationId}`).digest('hex').slice(0, 32);
}

/** One more invitation to deliver; the outbox sends it. */
export async function queueInvitation(tx: Transaction, id: string, now: Date): Promise<void> {
  const outboxId = randomUUID();
  await tx
    .insert(outbox)
    .values({ id: outboxId, registrationId: id, kind: 'invitation', occurredAt: now });
  await tx
    .insert(outboxDeliveries)
    .values({ outboxId, destination: 'cognito-mail', nextAttemptAt: now });
}

/** Sets columns of one row, under a condition where there is one. null: no such row, or it does not hold. */
export async function updateRow(
  db: Database | Transaction,
  id: string,
  set: ColumnUpdates,
  condition?: SQL,
): Promise<Registration | null> {
  return await atEdge(async () => {
    const row = await updateWorkRow(db, REGISTRATION_WORK, id, set, condition);
    return row && toRegistration(row);
  });
}
