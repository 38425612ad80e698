import { sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { AFTER_OPEN_CREATE_MS } from '../../domain/create-attempt.ts';
import type { CreateOutcome, Registration } from '../../domain/registration.ts';
import { stepDone, mergeSteps } from '../work/steps.ts';
import { GOES_FORWARD, readRow, updateRow } from './transitions.ts';

/** The last create has no known effect. The same rule as `lastCreateIsOpen`, for the database. */
const LAST_IS_OPEN = sql`(create_attempt > 0 AND (create_outcome IS NULL OR create_outcome = 'errored'))`;

/**
 * Records that AdminCreateUser is about to be called. Only the caller that read the row's latest
 * attempt may record the next one, never over a known user, and never within 2 s of an attempt whose
 * effect is open: two creates at once can both persist.
 * @returns null where another caller was first, the row no longer goes forward, or it is too early
 */
export async function recordCreateAttempt(
  db: Database,
  { id, createAttempt }: Pick<Registration, 'id' | 'createAttempt'>,
): Promise<Registration | null> {
  return await updateRow(
    db,
    id,
    {
      createAttempt: createAttempt + 1,
      createAttemptedAt: sql`clock_timestamp()`,
      createOutcome: null,
      createUnansweredAt: sql`CASE WHEN ${LAST_IS_OPEN} THEN create_attempted_at ELSE create_unanswered_at END`,
    },
    sql`${GOES_FORWARD} AND create_attempt = ${createAttempt}
      AND create_outcome IS DISTINCT FROM 'created' AND create_outcome IS DISTINCT FROM 'taken'
      AND NOT (${LAST_IS_OPEN} AND create_attempted_at >
        clock_timestamp() - make_interval(secs => ${AFTER_OPEN_CREATE_MS / 1000}))`,
  );
}

export interface RecordedOutcome {
  readonly attempt: number;
  readonly outcome: Exclude<CreateOutcome, 'created'>;
  /** false where an earlier attempt, whose effect is not known, is what was looked into: it stays open. */
  readonly answered?: boolean;
  /** Cognito refused the credentials: how long it does so decides. */
  readonly credentials?: boolean;
}

/** Records what became of one attempt, whatever the status: it is what happened. An attempt that
 * another one has followed, or that has a user, keeps what is known.
 * @returns the row as it is then */
export async function recordCreateOutcome(
  db: Database,
  id: string,
  { attempt, outcome, answered = true, credentials = false }: RecordedOutcome,
): Promise<Registration> {
  const since = (column: SQL, holds: boolean): SQL | null =>
    holds ? sql`coalesce(${column}, clock_timestamp())` : null;
  const row = await updateRow(
    db,
    id,
    {
      createOutcome: outcome,
      existsSince: since(sql`exists_since`, outcome === 'exists'),
      credentialsRefusedSince: since(sql`credentials_refused_since`, credentials),
      ...(answered
        ? {}
        : { createUnansweredAt: sql`greatest(create_unanswered_at, create_attempted_at)` }),
    },
    sql`create_attempt = ${attempt} AND create_outcome IS DISTINCT FROM 'created'`,
  );
  return row ?? (await readRow(db, id));
}

export interface RecordedUser {
  readonly username: string;
  readonly sub: string;
}

/**
 * Records the user on an open row that has none yet. A user that is recorded after compensation proved
 * that there is none makes that proof void. Any other row keeps what it has: a user whom it does not
 * name is a stray, written down before anybody deletes it.
 * @param attempt whose reply named the user; null when the user was found by a read
 */
export async function recordCreated(
  db: Database,
  id: string,
  user: RecordedUser,
  attempt: number | null,
  attempts: number,
): Promise<Registration> {
  const recorded = await updateRow(
    db,
    id,
    {
      createOutcome: 'created',
      // Where two attempts are open, it is not known which of them made the user that was found; and
      // the reply to one says nothing about a later one.
      createUnansweredAt:
        attempt === null
          ? sql`CASE WHEN ${LAST_IS_OPEN} AND create_unanswered_at IS NOT NULL
              THEN create_attempted_at ELSE create_unanswered_at END`
          : sql`CASE WHEN ${LAST_IS_OPEN} AND create_attempt <> ${attempt}
              THEN create_attempted_at ELSE create_unanswered_at END`,
      existsSince: null,
      credentialsRefusedSince: null,
      absenceConfirmedAt: null,
      cognitoUsername: user.username,
      userId: user.sub,
      userCreatedAt: sql`clock_timestamp()`,
      failure: sql`CASE WHEN status = 'running' THEN NULL ELSE failure END`,
      steps: mergeSteps({ createUser: stepDone(attempts) }),
    },
    sql`create_outcome IS DISTINCT FROM 'created' AND status NOT IN ('completed', 'failed', 'cancelled')`,
  );
  if (recorded) return recorded;
  const stray = await updateRow(
    db,
    id,
    { strayUsernames: sql`array_append(stray_usernames, ${user.username}::text)` },
    sql`NOT (stray_usernames @> ARRAY[${user.username}::text])
      AND (status IN ('failed', 'cancelled') OR cognito_username IS DISTINCT FROM ${user.username})`,
  );
  return stray ?? (await readRow(db, id));
}

/** The stray is gone, or was never ours. */
export async function recordStrayDeleted(
  db: Database,
  id: string,
  username: string,
): Promise<void> {
  await updateRow(db, id, {
    strayUsernames: sql`array_remove(stray_usernames, ${username}::text)`,
  });
}
