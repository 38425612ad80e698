import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import { SYSTEM_ACTOR } from '../../domain/audit-event.ts';
import type { PublicFailure, Registration } from '../../domain/registration.ts';
import { OPEN_FORWARD } from '../../domain/status.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { ROW, selectRow, toRegistration } from './row.ts';
import { mergeSteps, type StepUpdates } from './transitions.ts';

/** Doubling of the scheduled resume stops here. */
const MAX_RESUME_INTERVAL_SECONDS = 6 * 3600;

export interface ParkInput {
  readonly failure: PublicFailure;
  readonly steps: StepUpdates;
  /** The same park, repeated, has the same key. */
  readonly key: string;
  /** How often the row had parked when the run began what failed. A run that was reset has another
   * key for what it parked before; that one is known by this. Undefined: not looked at. */
  readonly parks?: number | undefined;
  /** The first scheduled resume comes after this; each next one after twice as long, up to 6 h. */
  readonly resumeIntervalSeconds: number;
}

/**
 * Parks an open row as `roles_pending`. A row with an instruction that no run has taken yet is left alone:
 * the run has to take the instruction first. So is one that would wait for a profile that is decided. The
 * returned row says what holds.
 */
export async function park(db: Database, id: string, input: ParkInput): Promise<Registration> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      // Locked first: an UPDATE that waits for the same park would not see the event it appended.
      await tx
        .select({ id: registrations.id })
        .from(registrations)
        .where(eq(registrations.id, id))
        .for('update');
      const [row] = await tx
        .update(registrations)
        .set({
          status: 'roles_pending',
          failure: input.failure,
          steps: mergeSteps(input.steps),
          parkedAt: sql`CASE WHEN status = 'roles_pending' THEN parked_at ELSE clock_timestamp() END`,
          resumeAttempts: sql`resume_attempts + 1`,
          nextResumeAt: sql`clock_timestamp() + make_interval(secs =>
            least(${input.resumeIntervalSeconds}::float8 * power(2, least(resume_attempts, 30)), ${MAX_RESUME_INTERVAL_SECONDS}))`,
        })
        .where(
          and(
            eq(registrations.id, id),
            inArray(registrations.status, [...OPEN_FORWARD]),
            sql`(instruction IS NULL OR instruction_acknowledged_at IS NOT NULL)`,
            // Its reply came after the last attempt: the run goes on with it.
            input.failure.code === 'profile_unavailable' ? sql`profile_outcome IS NULL` : undefined,
            input.parks === undefined ? undefined : eq(registrations.resumeAttempts, input.parks),
            sql`NOT EXISTS (SELECT 1 FROM audit_events
              WHERE registration_id = ${id}::uuid AND event = 'registration.parked' AND key = ${input.key})`,
          ),
        )
        .returning(ROW);
      if (!row) return toRegistration(await selectRow(tx, id));
      await appendAuditEvent(tx, {
        event: 'registration.parked',
        registrationId: id,
        userId: row.userId,
        actor: SYSTEM_ACTOR,
        key: input.key,
        details: { code: input.failure.code, cause: input.failure.cause },
      });
      return toRegistration(row);
    }),
  );
}

/**
 * The run has seen the operator's instruction to go on. The returned row says what is wanted now. Where it
 * wants other roles, the grace of earlier group writes counts from here: none is in flight any more.
 */
export async function acknowledgeInstruction(db: Database, id: string): Promise<Registration> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const [taken] = await tx
        .update(registrations)
        .set({
          instructionAcknowledgedAt: sql`clock_timestamp()`,
          rolesReplacedAt: sql`CASE WHEN instruction = 'roles' AND roles_replaced_at IS NOT NULL
            THEN clock_timestamp() ELSE roles_replaced_at END`,
        })
        .where(
          and(
            eq(registrations.id, id),
            sql`instruction IN ('retry', 'roles') AND instruction_acknowledged_at IS NULL`,
            sql`status NOT IN ('completed', 'failed', 'cancelled')`,
          ),
        )
        .returning(ROW);
      const row = taken ?? (await selectRow(tx, id));
      if (taken) {
        await appendAuditEvent(tx, {
          event: 'registration.resumed',
          registrationId: id,
          userId: row.userId,
          actor: row.instructionActor ?? SYSTEM_ACTOR,
          key: row.instructionAt?.toISOString() ?? '',
        });
      }
      return toRegistration(row);
    }),
  );
}

/** Parked rows whose time to be resumed has come, the longest due first, claimed for `claimSeconds`:
 * a row whose run does not answer comes again after that, and not before all others. */
export async function claimForResume(
  db: Database,
  limit: number,
  claimSeconds: number,
): Promise<{ id: string; resumeAttempts: number }[]> {
  return await atEdge(() =>
    db
      .update(registrations)
      .set({ nextResumeAt: sql`clock_timestamp() + make_interval(secs => ${claimSeconds})` })
      .where(
        sql`id IN (SELECT id FROM registrations
          WHERE phase = 'roles_pending' AND next_resume_at <= clock_timestamp()
          ORDER BY next_resume_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)`,
      )
      .returning({ id: registrations.id, resumeAttempts: registrations.resumeAttempts }),
  );
}

/** How rows that were signalled stand now. */
export async function resumeProgress(
  db: Database,
  ids: readonly string[],
): Promise<{ id: string; status: string; resumeAttempts: number }[]> {
  if (ids.length === 0) return [];
  return await atEdge(() =>
    db
      .select({
        id: registrations.id,
        status: registrations.status,
        resumeAttempts: registrations.resumeAttempts,
      })
      .from(registrations)
      .where(inArray(registrations.id, [...ids])),
  );
}
