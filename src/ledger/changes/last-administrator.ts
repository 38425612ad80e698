import { sql } from 'drizzle-orm';
import { LOCKS } from '../../db/advisory-lock.ts';
import type { Database, Transaction } from '../../db/client.ts';
import type { Registration } from '../../domain/registration.ts';
import { DatabaseError } from '../database-error.ts';
import { textArray } from '../work/steps.ts';

/**
 * Whether a change would take away the last administrator. It is called while the advisory lock of
 * administrators, and the row of the person or of the change, are held.
 */
export type RefusesChange = (tx: Transaction, registration: Registration) => Promise<boolean>;

export interface AdministratorsQuestion {
  /** The person whom a change takes it away from. */
  readonly userId: string;
  /** The groups with a `*` grant. */
  readonly administratorRoles: readonly string[];
  /** How long Cognito's answers may lag: PROPAGATION_GRACE_SECONDS. */
  readonly graceSeconds: number;
  /** The Cognito subs of all enabled members of these groups, read from Cognito now. */
  readonly enabledMembers: () => Promise<readonly string[]>;
}

/** A change that ended less than this ago is believed rather than Cognito, however short the grace is. */
const LAG_SECONDS_MIN = 60;

/** How long a decision waits at most for those before it in this process: as long as for a lock. */
const TURN_MS = 3000;
const LOCK_NOT_AVAILABLE = '55P03';

const lastTurns = new WeakMap<Database, Promise<unknown>>();

/**
 * A transaction under the advisory lock of administrators, which is taken before any row is locked. In
 * one process they come one after the other: each has Cognito read while it holds its connection, and
 * those that wait would leave none for that, nor for anybody else.
 * @throws DatabaseError
 */
export async function underAdministratorsLock<T>(
  db: Database,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const since = performance.now();
  const decide = async () => {
    if (performance.now() - since > TURN_MS) throw new DatabaseError(LOCK_NOT_AVAILABLE, null);
    return await db.transaction(async (tx) => {
      await tx.execute(sql`SELECT pg_advisory_xact_lock(${LOCKS.administrators})`);
      return await work(tx);
    });
  };
  const turn = (lastTurns.get(db) ?? Promise.resolve()).then(decide);
  const ended = turn.catch(() => undefined);
  lastTurns.set(db, ended);
  return await turn;
}

/**
 * Whether nobody is left who can grant every role once this person cannot: among the enabled members,
 * without the person, without those whom an open change takes it from, or gives it and may be put back,
 * and without those who lost it so recently that Cognito's answer may not show it yet. Call it in `underAdministratorsLock`.
 */
export async function leavesNoAdministrator(
  tx: Transaction,
  { userId, administratorRoles, graceSeconds, enabledMembers }: AdministratorsQuestion,
): Promise<boolean> {
  const others = (await enabledMembers()).filter((member) => member !== userId);
  if (others.length === 0) return true;
  const administrators = textArray(administratorRoles);
  // An open change counts also while it is put back: until then Cognito may show either.
  const takesAway = sql`(kind IN ('disable', 'delete')
    OR (kind = 'roles' AND NOT adds_roles AND NOT roles && ${administrators}))`;
  // Nobody is asked again before what it gave is put back.
  const gives = sql`((kind = 'enable' AND enabled_before IS FALSE)
    OR (kind = 'roles' AND roles && ${administrators} AND NOT roles_before && ${administrators}))`;
  const [left] = await tx.execute<{ count: number }>(sql`
    SELECT count(*)::int AS count FROM unnest(${textArray(others)}) AS member
    WHERE NOT EXISTS (SELECT FROM changes
        WHERE user_id = member AND open AND (${takesAway} OR ${gives}))
      -- Of what ended within the lag, the latest change of the account, and of the roles, decides; what
      -- was put back only where it had given something.
      AND NOT EXISTS (SELECT FROM (
          SELECT DISTINCT ON (kind = 'roles') * FROM (
            -- In the order of one index, and by a clock that it can be searched with, or a person's whole
            -- past may be read.
            SELECT * FROM changes WHERE user_id = member
              AND finished_at > now() - make_interval(secs => ${Math.max(graceSeconds, LAG_SECONDS_MIN)})
            ORDER BY user_id, finished_at DESC OFFSET 0) AS recent
          WHERE kind <> 'sign_out' AND (status = 'completed' OR ${gives})
          ORDER BY kind = 'roles', finished_at DESC) AS latest
        WHERE CASE status WHEN 'completed' THEN ${takesAway} ELSE ${gives} END)`);
  return (left?.count ?? 0) === 0;
}
