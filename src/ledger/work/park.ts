import { and, inArray, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import type { registrations } from '../../db/schema.ts';
import { SYSTEM_ACTOR } from '../../domain/audit-event.ts';
import type { PublicFailure } from '../../domain/registration.ts';
import { atEdge } from '../database-error.ts';
import { mergeSteps, type StepUpdates } from './steps.ts';
import {
  appendWorkEvent,
  CLOCK,
  selectRow,
  updateRow,
  updateRows,
  type ColumnUpdates,
  type Work,
  type WorkRow,
} from './work.ts';

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
 * Parks an open row. A row with an instruction that no run has taken yet is left alone: the run has to
 * take the instruction first. The returned row says what holds.
 */
export async function parkWork<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  id: string,
  input: ParkInput,
): Promise<Row> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      // Locked first: an UPDATE that waits for the same park would not see the event it appended.
      const found = await selectRow(tx, work, id, 'update');
      const { key } = work.named(found, input.key);
      const row = await updateRow(
        tx,
        work,
        id,
        {
          status: work.parkedStatus,
          failure: input.failure,
          steps: mergeSteps(input.steps),
          parkedAt: sql`CASE WHEN status = ${work.parkedStatus} THEN parked_at ELSE clock_timestamp() END`,
          resumeAttempts: sql`resume_attempts + 1`,
          nextResumeAt: sql`clock_timestamp() + make_interval(secs =>
            least(${input.resumeIntervalSeconds}::float8 * power(2, least(resume_attempts, 30)), ${MAX_RESUME_INTERVAL_SECONDS}))`,
        },
        and(
          work.forward,
          sql`(instruction IS NULL OR instruction_acknowledged_at IS NOT NULL)`,
          input.parks === undefined ? undefined : sql`resume_attempts = ${input.parks}`,
          sql`NOT EXISTS (SELECT 1 FROM audit_events AS parked WHERE parked.event = ${work.events.parked}
            AND parked.registration_id = ${work.registrationId} AND parked.key = ${key})`,
        ),
      );
      if (!row) return found;
      const { code, cause } = input.failure;
      const event = work.events.parked;
      const details = { code, cause };
      await appendWorkEvent(tx, work, row, { event, actor: SYSTEM_ACTOR, key: input.key, details });
      return row;
    }),
  );
}

/** The run has seen the operator's instruction to go on. The returned row says what is wanted now. */
export async function acknowledge<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  id: string,
  also: ColumnUpdates = {},
): Promise<Row> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const taken = await updateRow(
        tx,
        work,
        id,
        { instructionAcknowledgedAt: CLOCK, ...also },
        and(
          work.open,
          sql`instruction IN ('retry', 'roles') AND instruction_acknowledged_at IS NULL`,
        ),
      );
      if (!taken) return await selectRow(tx, work, id);
      await appendWorkEvent(tx, work, taken, {
        event: work.events.resumed,
        actor: taken.instructionActor ?? SYSTEM_ACTOR,
        key: taken.instructionAt?.toISOString() ?? '',
      });
      return taken;
    }),
  );
}

/** Parked rows whose time to be resumed has come, the longest due first, claimed for `claimSeconds`:
 * a row whose run does not answer comes again after that, and not before all others. */
export async function claimDue<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  limit: number,
  claimSeconds: number,
): Promise<Row[]> {
  // By `now()`: the clock is volatile, and an index is not searched with it.
  const due = sql`id IN (SELECT id FROM ${work.table}
    WHERE ${work.parked} AND next_resume_at <= now()
    ORDER BY next_resume_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)`;
  return await atEdge(() =>
    updateRows(
      db,
      work,
      { nextResumeAt: sql`clock_timestamp() + make_interval(secs => ${claimSeconds})` },
      due,
    ),
  );
}

/** How rows that were signalled stand now. */
export async function progressOf<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  ids: readonly string[],
): Promise<{ id: string; status: string; resumeAttempts: number }[]> {
  if (ids.length === 0) return [];
  const table = work.table as typeof registrations;
  return await atEdge(() =>
    db
      .select({ id: table.id, status: table.status, resumeAttempts: table.resumeAttempts })
      .from(table)
      .where(inArray(table.id, [...ids])),
  );
}
