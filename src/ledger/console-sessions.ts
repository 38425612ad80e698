import { eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../db/client.ts';
import { consoleSessions } from '../db/schema.ts';
import { atEdge } from './database-error.ts';

export const CONSOLE_IDLE_MINUTES = 30;
export const CONSOLE_HOURS = 12;
const FORGOTTEN_AT_ONCE = 1000;

type Row = typeof consoleSessions.$inferSelect;
export type ConsoleSessionRow = Omit<Row, 'createdAt' | 'seenAt'>;

const LIVES = sql`seen_at > now() - make_interval(mins => ${CONSOLE_IDLE_MINUTES})
  AND created_at > now() - make_interval(hours => ${CONSOLE_HOURS})`;
const COLUMNS = {
  id: consoleSessions.id,
  userId: consoleSessions.userId,
  name: consoleSessions.name,
  sealedTokens: consoleSessions.sealedTokens,
  csrfToken: consoleSessions.csrfToken,
  sealedNotice: consoleSessions.sealedNotice,
};

export async function insertConsoleSession(
  db: Database,
  session: Omit<ConsoleSessionRow, 'sealedNotice'>,
): Promise<void> {
  const times = { createdAt: sql`now()`, seenAt: sql`now()` };
  await atEdge(() => db.insert(consoleSessions).values({ ...session, ...times }));
}

/**
 * Reads a session for a request. Waits while another request refreshes its tokens.
 * @param counts whether its idle time begins anew
 * @returns null where it is over
 */
export async function useConsoleSession(
  db: Database,
  id: string,
  counts: boolean,
): Promise<ConsoleSessionRow | null> {
  const [row] = await atEdge(() =>
    db
      .update(consoleSessions)
      .set({ seenAt: counts ? sql`now()` : sql`seen_at` })
      .where(sql`id = ${id} AND ${LIVES}`)
      .returning(COLUMNS),
  );
  return row ?? null;
}

/** What becomes of the tokens of a session; null ends it. */
export type RefreshTokens = (
  session: ConsoleSessionRow,
) => Promise<Pick<ConsoleSessionRow, 'sealedTokens'> | null>;

/**
 * Replaces the tokens of a session, one request at a time: the others wait for its row, and then read
 * what the first has got. If `refresh` throws, the tokens stay.
 * @returns null where the session is over
 */
export async function refreshConsoleSession(
  db: Database,
  id: string,
  refresh: RefreshTokens,
): Promise<ConsoleSessionRow | null> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const which = eq(consoleSessions.id, id);
      const [row] = await tx.select(COLUMNS).from(consoleSessions).where(which).for('update');
      if (!row) return null;
      const refreshed = await refresh(row);
      if (refreshed === null) await tx.delete(consoleSessions).where(which);
      else await tx.update(consoleSessions).set(refreshed).where(which);
      return refreshed && { ...row, ...refreshed };
    }),
  );
}

export async function setConsoleNotice(
  db: Database,
  id: string,
  sealedNotice: Uint8Array | null,
): Promise<void> {
  const which = eq(consoleSessions.id, id);
  await atEdge(() => db.update(consoleSessions).set({ sealedNotice }).where(which));
}

/** Ends a session. @returns what it was, so that its tokens can be revoked; null if it was over */
export async function deleteConsoleSession(
  db: Database,
  id: string,
): Promise<ConsoleSessionRow | null> {
  const [row] = await atEdge(() =>
    db.delete(consoleSessions).where(eq(consoleSessions.id, id)).returning(COLUMNS),
  );
  return row ?? null;
}

/** Ends the sessions of people who are deleted, whose names they hold. */
export async function deleteConsoleSessionsOf(
  tx: Transaction,
  userIds: readonly string[],
): Promise<void> {
  await tx.execute(
    sql`DELETE FROM console_sessions WHERE user_id = ANY(${sql.param([...userIds])})`,
  );
}

/** Removes sessions that are over. */
export async function forgetEndedConsoleSessions(db: Database): Promise<void> {
  await atEdge(() =>
    db.execute(sql`DELETE FROM console_sessions WHERE id IN (
      SELECT id FROM console_sessions WHERE NOT (${LIVES})
      LIMIT ${FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)`),
  );
}
