import { and, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { changes } from '../../db/schema.ts';
import { roleOfStep, type Change } from '../../domain/change.ts';
import { atEdge } from '../database-error.ts';
import { updateRow } from '../work/work.ts';
import { CHANGE_WORK, toChange } from './row.ts';
import { GOES_FORWARD } from './transitions.ts';

/*
 * Writes to Cognito whose reply is outstanding or lost may land until their grace is over, and reads lag
 * by as much: so each is recorded before it is sent, and what follows knows what may still come.
 */

/** A write to Cognito that was recorded before it was sent. */
export interface RecordedWrite {
  readonly change: Change;
  readonly step: string;
  /** By PostgreSQL's clock, as the row has it. */
  readonly at: string;
  /** An earlier write of the same step without an answer: it stays open when this one is answered. */
  readonly before: string | null;
}

const RESTORES = sql`open AND restores_as IS NOT NULL`;

/**
 * Records that a write is about to be sent, where the change may still act in this direction. Of a step
 * with a role, the role counts as touched from here.
 * @param step as the receipt names it: `assignRole:<role>`
 * @returns null where it may not; nothing is to be sent then
 */
export async function recordWrite(
  db: Database,
  id: string,
  step: string,
  direction: 'forward' | 'restore',
): Promise<RecordedWrite | null> {
  const role = roleOfStep(step);
  const mayAct = direction === 'forward' ? GOES_FORWARD : RESTORES;
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const [found] = await tx
        .select({ openWrites: changes.openWrites })
        .from(changes)
        .where(and(sql`id = ${id}`, mayAct, sql`begun_at IS NOT NULL`))
        .for('update');
      if (!found) return null;
      const before = found.openWrites[step] ?? null;
      const row = await updateRow(tx, CHANGE_WORK, id, {
        openWrites: sql`open_writes || jsonb_build_object(${step}::text, clock_timestamp())`,
        ...(role !== null && {
          rolesTouched: sql`ARRAY(SELECT DISTINCT unnest(roles_touched || ${role}::text))`,
        }),
      });
      if (!row) return null;
      return { change: toChange(row), step, at: row.openWrites[step] ?? '', before };
    }),
  );
}

/**
 * The write was answered, with success or an error: it cannot land later. Not for a lost reply. A later
 * write of the same step stays open; so does this one where the change has ended or turned meanwhile: a
 * worker that stood still may have sent it after what was to undo it.
 */
export async function recordWriteAnswered(
  db: Database,
  { change, step, at, before }: RecordedWrite,
): Promise<void> {
  const without = sql`open_writes - ${step}::text`;
  const openWrites =
    before === null
      ? without
      : sql`${without} || jsonb_build_object(${step}::text, ${before}::text)`;
  const isSame = sql`open AND restores_as IS NOT DISTINCT FROM ${change.restoresAs}::text
    AND open_writes->>${step}::text = ${at}`;
  await atEdge(() => updateRow(db, CHANGE_WORK, change.id, { openWrites }, isSame));
}

/** A write without an answer that may still land. */
export interface OpenWrite {
  /** null: of the person's registration, whose role steps had several attempts. */
  readonly changeId: string | null;
  readonly step: string;
  /** Until it cannot land any more, by PostgreSQL's clock. */
  readonly leftMs: number;
}

/** All writes of a person that may still land, of open changes and of what ended within the grace. */
export async function openWritesOf(
  db: Database,
  userId: string,
  graceSeconds: number,
): Promise<OpenWrite[]> {
  const leftMs = (began: ReturnType<typeof sql>) =>
    sql`(extract(epoch FROM ${began} + make_interval(secs => ${graceSeconds}) - clock_timestamp())
      * 1000)::float8`;
  const rows = await atEdge(() =>
    db.execute<{ change_id: string | null; step: string; left_ms: number }>(sql`
      SELECT * FROM (
        SELECT recent.id AS change_id, write.key AS step,
          ${leftMs(sql`write.value::timestamptz`)} AS left_ms
        FROM (${recentChanges(userId, graceSeconds)}) AS recent, jsonb_each_text(open_writes) AS write
        UNION ALL
        SELECT NULL, step.key, ${leftMs(sql`finished_at`)}
        FROM (${recentRegistration(userId, graceSeconds)}) AS registered, jsonb_each(steps) AS step
        WHERE step.key ~ '^(assignRole|removeRole):' AND (step.value->>'attempts')::int > 1
      ) AS writes WHERE left_ms > 0`),
  );
  return rows.map(({ change_id: changeId, step, left_ms: left }) => ({
    changeId,
    step,
    leftMs: left,
  }));
}

/** What the ledger knows better than a read of Cognito, which may lag by the grace: of the roles that are
 * named here `settledRoles` is the truth, of all others the read is. */
export interface RecentlyWritten {
  /** Roles that changes of the person, or the registration, touched: written whatever a read says. */
  readonly roles: readonly string[];
  /** The roles that the latest of them left; null: none ended within the grace, so the read counts. */
  readonly settledRoles: readonly string[] | null;
  /** Whether the account is enabled, by the latest change of that; null: the read counts. */
  readonly settledEnabled: boolean | null;
}

/** What was written of a person within the grace, or may have been. */
export async function recentlyWritten(
  db: Database,
  userId: string,
  graceSeconds: number,
): Promise<RecentlyWritten> {
  const [known] = await atEdge(() =>
    db.execute<{
      roles: string[];
      settled_roles: string[] | null;
      settled_enabled: boolean | null;
    }>(sql`
      WITH recent AS (${recentChanges(userId, graceSeconds)}),
        registered AS (${recentRegistration(userId, graceSeconds)})
      SELECT ARRAY(SELECT DISTINCT role FROM (
          SELECT unnest(roles_touched) AS role FROM recent
          UNION ALL SELECT unnest(roles_touched) FROM registered) AS touched) AS roles,
        coalesce(
          -- A change that was put back left what was there before it.
          (SELECT CASE status WHEN 'completed' THEN roles ELSE roles_before END FROM recent
            WHERE kind = 'roles' AND finished_at IS NOT NULL AND begun_at IS NOT NULL
            ORDER BY finished_at DESC LIMIT 1),
          (SELECT roles FROM registered)) AS settled_roles,
        (SELECT CASE status WHEN 'completed' THEN kind = 'enable' ELSE enabled_before END FROM recent
          WHERE kind IN ('disable', 'enable') AND finished_at IS NOT NULL AND begun_at IS NOT NULL
          ORDER BY finished_at DESC LIMIT 1) AS settled_enabled`),
  );
  return {
    roles: known?.roles ?? [],
    settledRoles: known?.settled_roles ?? null,
    settledEnabled: known?.settled_enabled ?? null,
  };
}

// By `now()`, which an index can be searched with, and which is never later than the clock.
function recentChanges(userId: string, graceSeconds: number) {
  return sql`SELECT * FROM changes WHERE user_id = ${userId} AND open
    UNION ALL SELECT * FROM changes WHERE user_id = ${userId}
      AND finished_at > now() - make_interval(secs => ${graceSeconds})`;
}

function recentRegistration(userId: string, graceSeconds: number) {
  return sql`SELECT * FROM registrations WHERE user_id = ${userId} AND status = 'completed'
    AND finished_at > now() - make_interval(secs => ${graceSeconds})`;
}
