import { eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../db/client.ts';
import { tokenCutoffs } from '../db/schema.ts';
import type { CutoffCause, TokenCutoff } from '../domain/token-cutoff.ts';
import { atEdge } from './database-error.ts';

/** Cognito allows an access token 24 hours; an hour more for clocks that differ. */
export const CUTOFF_KEPT_HOURS = 25;
const FORGOTTEN_AT_ONCE = 5000;

/**
 * Takes the power of a person's tokens at Registrar's own routes: those of sessions that began before
 * now, or those that were issued before now. Belongs into the transaction that records the cause, after
 * the last call to Cognito that it records. Locks the person's cutoff: lock rows of the ledger before.
 * @param userId the Cognito sub, also of somebody whom Registrar did not register
 */
export async function cutOffTokens(
  db: Database | Transaction,
  userId: string,
  cause: CutoffCause,
): Promise<void> {
  const column = sql.raw(cause === 'sessions_ended' ? 'sessions_ended_at' : 'roles_changed_at');
  await atEdge(() =>
    db.execute(sql`INSERT INTO token_cutoffs AS c (user_id, ${column}, changed_at)
      VALUES (${userId}, clock_timestamp(), clock_timestamp())
      ON CONFLICT (user_id) DO UPDATE SET
        ${column} = greatest(c.${column}, excluded.${column}),
        changed_at = greatest(c.changed_at, excluded.changed_at)`),
  );
}

/** When all sessions of a person were last ended; null: not within the last `CUTOFF_KEPT_HOURS`. */
export async function sessionsEndedAt(db: Database, userId: string): Promise<Date | null> {
  const [row] = await atEdge(() =>
    db
      .select({ at: tokenCutoffs.sessionsEndedAt })
      .from(tokenCutoffs)
      .where(eq(tokenCutoffs.userId, userId)),
  );
  return row?.at ?? null;
}

/** A page of cutoffs that changed after one of them, or after a time, the oldest change first. */
export async function readTokenCutoffs(
  db: Database,
  after: Pick<TokenCutoff, 'changedAt' | 'userId'>,
  limit: number,
): Promise<TokenCutoff[]> {
  const rows = await atEdge(() =>
    db.execute<{
      user_id: string;
      sessions_ended_ms: number | null;
      roles_changed_ms: number | null;
      changed_ms: number;
    }>(sql`SELECT user_id,
        (extract(epoch FROM sessions_ended_at) * 1000)::float8 AS sessions_ended_ms,
        (extract(epoch FROM roles_changed_at) * 1000)::float8 AS roles_changed_ms,
        (extract(epoch FROM changed_at) * 1000)::float8 AS changed_ms
      FROM token_cutoffs
      WHERE (changed_at, user_id)
        > (${new Date(after.changedAt).toISOString()}::timestamptz, ${after.userId}::text)
      ORDER BY changed_at, user_id LIMIT ${limit}`),
  );
  return rows.map((row) => ({
    userId: row.user_id,
    sessionsEndedAt: row.sessions_ended_ms,
    rolesChangedAt: row.roles_changed_ms,
    changedAt: row.changed_ms,
  }));
}

/** Removes cutoffs that are older than any token. */
export async function forgetOldCutoffs(db: Database): Promise<void> {
  await atEdge(() =>
    db.execute(sql`DELETE FROM token_cutoffs WHERE user_id IN (
      SELECT user_id FROM token_cutoffs
      WHERE changed_at < now() - make_interval(hours => ${CUTOFF_KEPT_HOURS})
      ORDER BY changed_at LIMIT ${FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)`),
  );
}
