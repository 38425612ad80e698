import { createHash } from 'node:crypto';
import { sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../db/client.ts';
import { atEdge } from './database-error.ts';

/** Mails to one address within an hour, whatever they are about. */
export const MAILS_PER_HOUR = 5;

export interface MailRequest {
  readonly email: string;
  /** What public mails may take of the mailer's day; null: an administrator asked for this mail, or
   * there is no bound. */
  readonly publicPerDay: number | null;
}

export type MailAllowance =
  | { readonly kind: 'allowed' }
  | {
      readonly kind: 'refused';
      /** `address`: it got its mails of this hour; `day`: public mails took their share of the day. */
      readonly by: 'address' | 'day';
      readonly retryAfterSeconds: number;
    };

/**
 * Counts a mail that is about to be sent, where both limits allow it. The rows of the counts are locked
 * meanwhile, so that no two mails take the same place.
 * @throws DatabaseError
 */
export async function takeMail(db: Database, request: MailRequest): Promise<MailAllowance> {
  return await atEdge(() =>
    db.transaction(async (tx): Promise<MailAllowance> => {
      const { email, publicPerDay } = request;
      const seconds = await secondsUntilAllowed(tx, email, 'lock');
      if (seconds > 0) return { kind: 'refused', by: 'address', retryAfterSeconds: seconds };
      if (publicPerDay !== null) {
        const left = await takeOfDay(tx, publicPerDay);
        if (left > 0) return { kind: 'refused', by: 'day', retryAfterSeconds: left };
      }
      await tx.execute(sql`UPDATE mail_counts SET until = clock_timestamp() + interval '1 hour',
          sent_at = array_append(${RECENT}, clock_timestamp())
        WHERE key = ${keyOf(email)}`);
      return { kind: 'allowed' };
    }),
  );
}

/** Cognito answered that it did not send the mail. */
export async function giveBackMail(db: Database, request: MailRequest): Promise<void> {
  const { email, publicPerDay } = request;
  await atEdge(() =>
    db.transaction(async (tx) => {
      await tx.execute(sql`UPDATE mail_counts
        SET sent_at = trim_array(sent_at, least(1, cardinality(sent_at)))
        WHERE key = ${keyOf(email)}`);
      if (publicPerDay === null) return;
      await tx.execute(sql`UPDATE mail_counts SET mails = greatest(0, mails - 1)
        WHERE key = 'public' AND until > clock_timestamp()`);
    }),
  );
}

/**
 * 0 while the address may get another mail.
 * @param lock keeps others from taking a mail until the transaction ends
 */
export async function secondsUntilAllowed(
  tx: Transaction,
  email: string,
  lock?: 'lock',
): Promise<number> {
  if (lock) {
    await tx.execute(sql`INSERT INTO mail_counts (key, sent_at, mails, until)
      VALUES (${keyOf(email)}, '{}', 0, clock_timestamp() + interval '1 hour')
      ON CONFLICT (key) DO UPDATE SET until = excluded.until`);
  }
  const [wait] = await tx.execute<{ seconds: number | null }>(sql`SELECT extract(epoch FROM
      (${RECENT})[cardinality(${RECENT}) - ${MAILS_PER_HOUR - 1}]
        + interval '1 hour' - clock_timestamp())::float8 AS seconds
    FROM mail_counts WHERE key = ${keyOf(email)}`);
  const seconds = wait?.seconds ?? null;
  return seconds === null ? 0 : Math.max(1, Math.ceil(seconds));
}

/** Removes counts that mean nothing any more. */
export async function forgetOldMailCounts(db: Database): Promise<void> {
  await atEdge(() =>
    db.execute(sql`DELETE FROM mail_counts WHERE key IN (
      SELECT key FROM mail_counts WHERE until < now() LIMIT 5000 FOR UPDATE SKIP LOCKED)`),
  );
}

/** Mails of the last hour, in their order. */
const RECENT: SQL = sql`ARRAY(SELECT sent FROM unnest(sent_at) AS sent
  WHERE sent > clock_timestamp() - interval '1 hour' ORDER BY sent)`;
/** Cognito's own mailer counts its day from 09:00 UTC. */
const DAY_ENDS: SQL = sql`(date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC' - interval '9 hours')
  + interval '33 hours') AT TIME ZONE 'UTC'`;

/** @returns 0 where the mail was counted, or the seconds until the day ends */
async function takeOfDay(tx: Transaction, perDay: number): Promise<number> {
  const [day] = await tx.execute<{ mails: number; seconds: number }>(sql`
    INSERT INTO mail_counts AS m (key, sent_at, mails, until) VALUES ('public', '{}', 1, ${DAY_ENDS})
    ON CONFLICT (key) DO UPDATE SET until = ${DAY_ENDS},
      mails = CASE WHEN m.until <= clock_timestamp() THEN 1 ELSE least(m.mails, ${perDay}) + 1 END
    RETURNING mails, extract(epoch FROM until - clock_timestamp())::float8 AS seconds`);
  if (!day || day.mails <= perDay) return 0;
  await tx.execute(sql`UPDATE mail_counts SET mails = mails - 1 WHERE key = 'public'`);
  return Math.max(1, Math.ceil(day.seconds));
}

/** Addresses belong in the ledger's rows only, where they can be erased. */
function keyOf(email: string): string {
  return `address:${createHash('sha256').update(email).digest('base64url')}`;
}
