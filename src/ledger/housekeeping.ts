import type { Database } from '../db/client.ts';
import { forgetOldCounts } from '../db/limit-counts.ts';
import { forgetEndedConsoleSessions } from './console-sessions.ts';
import { forgetOldMailCounts } from './mail-limits.ts';
import { forgetOldCutoffs } from './token-cutoffs.ts';
import { wipeExpiredSeals } from './registrations/password.ts';

/** Rows of an attack from many addresses are kept for a few minutes at most. */
const FORGET_COUNTS_MS = 60_000;
const WIPE_SEALS_MS = 60_000;

interface HousekeepingLog {
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

/**
 * Work on the database that must not wait for Temporal, at once and then at intervals. Every API
 * process does it; what fails is left to the next time, or to another process.
 */
export function startHousekeeping(db: Database, log: HousekeepingLog): { stop(): void } {
  let stopped = false;
  const timers = [
    repeat(FORGET_COUNTS_MS, async () => {
      await forgetOldCounts(db).catch(() => log.debug({}, 'deleting old rate limit counts failed'));
      await forgetOldMailCounts(db).catch(() => log.debug({}, 'deleting old mail counts failed'));
      await forgetOldCutoffs(db).catch(() => log.debug({}, 'deleting old token cutoffs failed'));
      await forgetEndedConsoleSessions(db).catch(() =>
        log.debug({}, 'deleting old sessions of the console failed'),
      );
    }),
    // The sweep wipes them too, but only while there is a Temporal.
    repeat(WIPE_SEALS_MS, async () => {
      try {
        const seals = await wipeExpiredSeals(db, () => !stopped);
        if (seals > 0) log.info({ seals }, 'expired sealed passwords wiped');
      } catch {
        log.debug({}, 'wiping expired sealed passwords failed');
      }
    }),
  ];
  return {
    stop() {
      stopped = true;
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** Skips a time while the work of the one before goes on. */
function repeat(everyMs: number, work: () => Promise<void>): NodeJS.Timeout {
  let working = false;
  const once = async (): Promise<void> => {
    if (working) return;
    working = true;
    await work().finally(() => {
      working = false;
    });
  };
  void once();
  return setInterval(() => void once(), everyMs);
}
