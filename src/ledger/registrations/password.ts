import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import type { Registration } from '../../domain/registration.ts';
import { atEdge } from '../database-error.ts';
import { selectRow, toRegistration } from './row.ts';
import { stepDone, mergeSteps } from '../work/steps.ts';
import { readRow, updateRow } from './transitions.ts';

/** The row, and its sealed password; null: nobody chose one, or it is wiped. */
export async function readSealed(
  db: Database,
  id: string,
): Promise<{ row: Registration; sealed: Uint8Array | null }> {
  return await atEdge(async () => {
    const row = await selectRow(db, id);
    return { row: toRegistration(row), sealed: row.sealedPassword };
  });
}

/** Notes that the user has the password, and wipes the seal: it has served. */
export async function recordPasswordSet(
  db: Database,
  id: string,
  attempts: number,
): Promise<Registration> {
  const row = await updateRow(db, id, {
    passwordSetAt: sql`coalesce(password_set_at, clock_timestamp())`,
    sealedPassword: null,
    steps: mergeSteps({ setPassword: stepDone(attempts) }),
  });
  return row ?? (await readRow(db, id));
}

/** A password that could not be set for so long is wiped, and its registration taken back. */
export const SEAL_EXPIRES_MS = 24 * 3_600_000;
const BATCH = 500;

/**
 * Wipes every expired seal, some at a time. Workers and API processes do it at once: each skips the
 * rows that another one is wiping. @returns how many
 */
export async function wipeExpiredSeals(db: Database, goesOn: () => boolean): Promise<number> {
  let wiped = 0;
  while (goesOn()) {
    const count = await wipeOldSeals(db, SEAL_EXPIRES_MS, BATCH);
    wiped += count;
    if (count < BATCH) break;
  }
  return wiped;
}

/**
 * Wipes seals older than that: their registrations end `seal_lost` when they next try to set the
 * password, and those that are parked try at once. @returns how many
 */
export async function wipeOldSeals(
  db: Database,
  olderThanMs: number,
  limit: number,
): Promise<number> {
  return await atEdge(async () => {
    const wiped = await db
      .update(registrations)
      .set({
        sealedPassword: null,
        nextResumeAt: sql`CASE WHEN status = 'roles_pending' THEN clock_timestamp() ELSE next_resume_at END`,
      })
      .where(
        sql`id IN (SELECT id FROM registrations WHERE phase IN ('active', 'roles_pending')
          -- What is sealed is sealed when it is accepted: an index finds the old ones.
          AND accepted_at < clock_timestamp() - make_interval(secs => ${olderThanMs / 1000})
          AND sealed_password IS NOT NULL
          AND sealed_at < clock_timestamp() - make_interval(secs => ${olderThanMs / 1000})
          LIMIT ${limit} FOR UPDATE SKIP LOCKED)`,
      )
      .returning({ id: registrations.id });
    return wiped.length;
  });
}
