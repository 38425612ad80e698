import { randomUUID } from 'node:crypto';
import { and, eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { IS_OPEN, registrations } from '../../db/schema.ts';
import type { AuditEventName } from '../../domain/audit-event.ts';
import type { Registration, InstructionKind } from '../../domain/registration.ts';
import { isCompensating, OPEN_FORWARD } from '../../domain/status.ts';
import { appendAuditEvent, type NewAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { ROW, toRegistration, type RegistrationRow } from './row.ts';
import { textArray } from './transitions.ts';

export interface InstructionInput {
  readonly actor: string;
  readonly reason: string | null;
}

export type ResumeRequestResult =
  | { readonly kind: 'done'; readonly registration: Registration }
  | { readonly kind: 'not_parked' };

/** Wants a parked run resumed (it is `running` again at once), a create that goes on slowly tried
 * again, or a stuck cleanup tried again. */
export async function requestRetry(
  db: Database,
  id: string,
  instruction: InstructionInput,
): Promise<ResumeRequestResult> {
  // A running row carries a failure only while its create goes on slowly.
  const resumable = sql`(status IN ('roles_pending', 'cleanup_required')
    OR (status = 'running' AND failure IS NOT NULL))`;
  return await requestResume(db, id, 'retry', instruction, {}, resumable);
}

/** Wants other roles on a parked run, and the run resumed. */
export async function requestRoles(
  db: Database,
  id: string,
  instruction: InstructionInput & { readonly roles: readonly string[] },
): Promise<ResumeRequestResult> {
  const roles = [...instruction.roles];
  return await requestResume(
    db,
    id,
    'roles',
    instruction,
    { roles },
    // A sign-up whose address nobody has proved gets no role.
    sql`status = 'roles_pending' AND (door <> 'signup' OR email_verified OR ${roles.length} = 0)`,
  );
}

/** Wants everything taken back. While compensating it is audited and changes nothing. */
export async function requestCancel(
  db: Database,
  id: string,
  instruction: InstructionInput,
): Promise<
  | { readonly kind: 'done' | 'compensating'; readonly registration: Registration }
  | { readonly kind: 'already_closed' }
> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const [open] = await tx
        .update(registrations)
        .set(instructionColumns('cancel', instruction))
        .where(and(eq(registrations.id, id), inArray(registrations.status, [...OPEN_FORWARD])))
        .returning(ROW);
      const row =
        open ?? (await tx.select(ROW).from(registrations).where(eq(registrations.id, id)))[0];
      if (!row || (!open && !isCompensating(row.status))) return { kind: 'already_closed' };
      await appendInstructionEvent(tx, row, 'registration.cancel_requested', instruction, {});
      return { kind: open ? 'done' : 'compensating', registration: toRegistration(row) };
    }),
  );
}

/** Instructions older than `olderThanMs` that no run has taken: the API died before sending them. */
export async function undeliveredInstructions(
  db: Database,
  olderThanMs: number,
  limit: number,
): Promise<{ id: string; kind: InstructionKind }[]> {
  return await atEdge(async () => {
    const rows = await db
      .select({ id: registrations.id, kind: registrations.instruction })
      .from(registrations)
      .where(
        and(
          IS_OPEN,
          sql`instruction IS NOT NULL AND instruction_acknowledged_at IS NULL`,
          sql`instruction_at < clock_timestamp() - make_interval(secs => ${olderThanMs / 1000})`,
        ),
      )
      .orderBy(registrations.instructionAt)
      .limit(limit);
    return rows.flatMap(({ id, kind }) => (kind ? [{ id, kind }] : []));
  });
}

async function requestResume(
  db: Database,
  id: string,
  kind: 'retry' | 'roles',
  instruction: InstructionInput,
  change: { roles?: string[] },
  resumable: SQL,
): Promise<ResumeRequestResult> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const touched = change.roles
        ? {
            rolesTouched: sql`ARRAY(SELECT DISTINCT unnest(roles_touched || roles || ${textArray(change.roles)}))`,
            rolesRemoved: sql`ARRAY(SELECT unnest(roles_removed) EXCEPT SELECT unnest(${textArray(change.roles)}))`,
            // Without a user no write to its groups can be on its way.
            rolesReplacedAt: sql`CASE WHEN create_outcome = 'created' THEN clock_timestamp() END`,
          }
        : {};
      const [row] = await tx
        .update(registrations)
        .set({ ...change, ...touched, ...resumeColumns(kind, instruction) })
        .where(
          and(
            eq(registrations.id, id),
            resumable,
            // An instruction to cancel stands: nothing may put it off.
            sql`(instruction IS DISTINCT FROM 'cancel' OR status = 'cleanup_required')`,
          ),
        )
        .returning(ROW);
      if (!row) return { kind: 'not_parked' };
      const event =
        kind === 'roles' ? 'registration.roles_requested' : 'registration.retry_requested';
      await appendInstructionEvent(tx, row, event, instruction, change);
      return { kind: 'done', registration: toRegistration(row) };
    }),
  );
}

/** What an instruction to go on changes in any row. */
export function resumeColumns(kind: 'retry' | 'roles', instruction: InstructionInput) {
  return {
    ...instructionColumns(kind, instruction),
    status: sql`CASE status WHEN 'roles_pending' THEN 'running' ELSE status END`,
    failure: sql`CASE WHEN status IN ('roles_pending', 'running') THEN NULL ELSE failure END`,
    retriedAt: sql`clock_timestamp()`,
    nextResumeAt: null,
    resumeAttempts: 0,
    // A full budget again.
    existsSince: null,
  };
}

function instructionColumns(kind: InstructionKind, { actor, reason }: InstructionInput) {
  return {
    instruction: kind,
    instructionActor: actor,
    instructionReason: reason,
    instructionAt: sql`clock_timestamp()`,
    instructionAcknowledgedAt: null,
  };
}

async function appendInstructionEvent(
  tx: Parameters<typeof appendAuditEvent>[0],
  row: RegistrationRow,
  event: AuditEventName,
  instruction: InstructionInput,
  change: { roles?: string[] },
): Promise<void> {
  await appendAuditEvent(tx, instructionEvent(row, event, instruction, change));
}

export function instructionEvent(
  row: Pick<RegistrationRow, 'id' | 'userId'>,
  event: AuditEventName,
  { actor }: InstructionInput,
  change: { roles?: string[] },
): NewAuditEvent {
  return {
    event,
    registrationId: row.id,
    userId: row.userId,
    actor,
    key: randomUUID(),
    // The reason is free text, and the trail cannot be erased: it stays in the row.
    details: { ...change },
  };
}
