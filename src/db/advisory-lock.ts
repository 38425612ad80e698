import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';

/** All advisory locks of a deployment: two of one number would keep each other out for ever. */
export const LOCKS = {
  migration: 7_267_472,
  checkpoint: 7_267_473,
  relay: 7_267_474,
  quotaQueue: 7_267_475,
  administrators: 7_267_476,
} as const;

/** A lock that is held by one session of PostgreSQL, and gone with it. */
export interface HeldLock {
  /** Aborted as soon as the session is known to have ended. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** How often the session is asked whether it is there, and how long it may take to say so. A
 * network that swallows packets closes no socket. */
const ASKED_EVERY_MS = 1000;
const ANSWERS_WITHIN_MS = 4000;
/** PostgreSQL ends a session that has asked nothing for so long: of a machine that is gone it would
 * not hear for hours. Later than the session knows by itself. */
const SILENT_MS = 10_000;

/**
 * Takes an advisory lock on a connection of its own, which no pool replaces behind our back.
 * @returns null while another session holds it
 */
export async function tryAdvisoryLock(url: string, key: number): Promise<HeldLock | null> {
  const lost = new AbortController();
  const session = postgres(url, {
    max: 1,
    connect_timeout: 3,
    // By default the driver would end the connection after a while, and the lock with it.
    max_lifetime: null,
    onnotice: () => undefined,
    onclose: () => lost.abort(),
    connection: {
      application_name: 'registrar lock',
      statement_timeout: ANSWERS_WITHIN_MS,
      idle_session_timeout: SILENT_MS,
    },
  });
  const release = async (): Promise<void> => {
    lost.abort();
    await session.end({ timeout: 1 });
  };
  try {
    const [row] = await session`SELECT pg_try_advisory_lock(${key}) AS held`;
    // A connection cut before the lock was taken has been made anew, and signalled all the same.
    if (row?.['held'] === true && !lost.signal.aborted) {
      void watch(session, lost);
      return { lost: lost.signal, release };
    }
    await release();
    return null;
  } catch (error) {
    await release();
    throw error;
  }
}

async function watch(session: postgres.Sql, lost: AbortController): Promise<void> {
  const gone = lost.signal;
  while (!gone.aborted) {
    const answered = session`SELECT 1`.then(
      () => true,
      () => false,
    );
    const late = delay(ANSWERS_WITHIN_MS, false, { signal: gone }).catch(() => false);
    if (!(await Promise.race([answered, late]))) lost.abort();
    await delay(ASKED_EVERY_MS, undefined, { signal: gone }).catch(() => undefined);
  }
}
