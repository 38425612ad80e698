import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import type { Registration } from '../../domain/registration.ts';
import { acknowledge, claimDue, parkWork, progressOf, type ParkInput } from '../work/park.ts';
import { REGISTRATION_WORK, toRegistration } from './row.ts';

export type { ParkInput };

/** Parks an open row as `roles_pending`; see `parkWork`. */
export async function park(db: Database, id: string, input: ParkInput): Promise<Registration> {
  return toRegistration(await parkWork(db, REGISTRATION_WORK, id, input));
}

/**
 * The run has seen the operator's instruction to go on. The returned row says what is wanted now. Where it
 * wants other roles, the grace of earlier group writes counts from here: none is in flight any more.
 */
export async function acknowledgeInstruction(db: Database, id: string): Promise<Registration> {
  const row = await acknowledge(db, REGISTRATION_WORK, id, {
    rolesReplacedAt: sql`CASE WHEN instruction = 'roles' AND roles_replaced_at IS NOT NULL
      THEN clock_timestamp() ELSE roles_replaced_at END`,
  });
  return toRegistration(row);
}

/** Parked rows whose time to be resumed has come; see `claimDue`. */
export async function claimForResume(
  db: Database,
  limit: number,
  claimSeconds: number,
): Promise<{ id: string; resumeAttempts: number }[]> {
  const rows = await claimDue(db, REGISTRATION_WORK, limit, claimSeconds);
  return rows.map(({ id, resumeAttempts }) => ({ id, resumeAttempts }));
}

/** How rows that were signalled stand now. */
export async function resumeProgress(
  db: Database,
  ids: readonly string[],
): Promise<{ id: string; status: string; resumeAttempts: number }[]> {
  return await progressOf(db, REGISTRATION_WORK, ids);
}
