import { and, eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../db/client.ts';
import { consoleSessions } from '../db/schema.ts';
import { atEdge } from './database-error.ts';

export const CONSOLE_IDLE_MINUTES = 30;
export const CONSOLE_HOURS = 12;
const FORGOTTEN_AT_ONCE = 1000;
/** Longer than the calls of a refresh take; whoever began one before has ended without a result. */
const REFRESH_SECONDS = 15;

type Row = typeof consoleSessions.$inferSelect;
export type ConsoleSessionRow = Omit<Row, 'createdAt' | 'seenAt' | 'refreshingAt'>;

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
 * Reads a session for a request.
 * @param counts whether its idle time begins anew
 * @returns null where it is over
 */
export async function useConsoleSession(
  db: Database,
  id: string,
  counts: boolean,
): Promise<ConsoleSessionRow | null> {
  const which = sql`id = ${id} AND ${LIVES}`;
  const seen = { seenAt: sql`now()` };
  const [row] = await atEdge(async () =>
    counts
      ? await db.update(consoleSessions).set(seen).where(which).returning(COLUMNS)
      : await db.select(COLUMNS).from(consoleSessions).where(which),
  );
  return row ?? null;
}

/**
 * Lets one request at a time refresh the tokens of a session: a second use of a refresh token would end it.
 * A mark in the row, since a lock would hold a connection while Cognito is asked.
 * @returns false where another request does, or has done, or where the session is over
 */
export async function beginTokenRefresh(
  db: Database,
  { id, sealedTokens }: Pick<ConsoleSessionRow, 'id' | 'sealedTokens'>,
): Promise<boolean> {
  const isFree = sql`(refreshing_at IS NULL
    OR refreshing_at < now() - make_interval(secs => ${REFRESH_SECONDS}))`;
  const rows = await atEdge(() =>
    db
      .update(consoleSessions)
      .set({ refreshingAt: sql`now()` })
      .where(
        and(eq(consoleSessions.id, id), eq(consoleSessions.sealedTokens, sealedTokens), isFree),
      )
      .returning({ id: consoleSessions.id }),
  );
  return rows.length > 0;
}

/**
 * Replaces the tokens that a request has refreshed.
 * @param refreshed null: they stay, since Cognito was away
 * @returns false where the session is over
 */
export async function endTokenRefresh(
  db: Database,
  { id, sealedTokens }: Pick<ConsoleSessionRow, 'id' | 'sealedTokens'>,
  refreshed: Uint8Array | null,
): Promise<boolean> {
  const rows = await atEdge(() =>
    db
      .update(consoleSessions)
      .set({ sealedTokens: refreshed ?? sealedTokens, refreshingAt: null })
      .where(and(eq(consoleSessions.id, id), eq(consoleSessions.sealedTokens, sealedTokens)))
      .returning({ id: consoleSessions.id }),
  );
  return rows.length > 0;
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
