import { and, eq, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { outboxDeliveries, registrations } from '../../db/schema.ts';
import type { CognitoDestination } from '../../domain/outbox.ts';
import { atEdge } from '../database-error.ts';

/** A delivery that is a call to Cognito, claimed by one relay for one attempt. */
export interface ClaimedDelivery {
  readonly outboxId: string;
  readonly destination: CognitoDestination;
  /** null: it is about an account by its name. */
  readonly registrationId: string | null;
  /** Attempts that have ended. */
  readonly attempts: number;
  /** Attempts without a reply, with the one that this claim begins where it counts as such. */
  readonly unanswered: number;
}

export interface ClaimOptions {
  /** Seconds until another relay may claim it: longer than an attempt can last. */
  readonly leaseSeconds: number;
  /** Whether the claim alone counts as a mail that may go out. */
  readonly countsAsMail: boolean;
}

/**
 * Claims the delivery that has been due longest: until the lease ends, no other relay takes it. A process
 * that dies leaves it due then.
 * @param columns further columns, of `o` (outbox) and `r` (its registration, where there is one)
 * @returns null when none is due; `row` has the further columns
 */
export async function claimDelivery(
  db: Database,
  destination: CognitoDestination,
  { leaseSeconds, countsAsMail }: ClaimOptions,
  columns: SQL,
): Promise<(ClaimedDelivery & { readonly row: Readonly<Record<string, unknown>> }) | null> {
  const counted = countsAsMail
    ? sql`, unanswered = unanswered + 1, mail_attempted_at = now()`
    : sql``;
  return await atEdge(async () => {
    const [row] = await db.execute<{
      outbox_id: string;
      registration_id: string | null;
      attempts: number;
      unanswered: number;
    }>(sql`WITH due AS (
        SELECT outbox_id, destination FROM outbox_deliveries
        WHERE destination = ${destination} AND delivered_at IS NULL AND given_up_at IS NULL
          AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
      ), claimed AS (
        UPDATE outbox_deliveries d
        SET next_attempt_at = now() + make_interval(secs => ${leaseSeconds}) ${counted}
        FROM due WHERE d.outbox_id = due.outbox_id AND d.destination = due.destination
        RETURNING d.outbox_id, d.attempts, d.unanswered, d.mail_attempted_at
      )
      SELECT c.outbox_id, c.attempts, c.unanswered, o.registration_id, ${columns}
      FROM claimed c JOIN outbox o ON o.id = c.outbox_id
      LEFT JOIN registrations r ON r.id = o.registration_id`);
    if (!row) return null;
    return {
      outboxId: row.outbox_id,
      destination,
      registrationId: row.registration_id,
      attempts: row.attempts,
      unanswered: row.unanswered,
      row,
    };
  });
}

type DeliveryColumns = {
  [Column in keyof typeof outboxDeliveries.$inferInsert]?:
    | (typeof outboxDeliveries.$inferInsert)[Column]
    | SQL;
};

/** Writes what became of an attempt, unless the delivery was superseded or ended meanwhile. */
export async function endAttempt(
  db: Database,
  due: ClaimedDelivery,
  columns: DeliveryColumns,
  andThen?: (tx: Transaction) => Promise<void>,
): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      if (due.registrationId !== null) {
        // The row first, as requestInvitation does: in the other order the two can deadlock.
        await tx
          .select({ id: registrations.id })
          .from(registrations)
          .where(eq(registrations.id, due.registrationId))
          .for('update');
      }
      const [ended] = await tx
        .update(outboxDeliveries)
        .set({ attempts: due.attempts + 1, ...columns })
        .where(
          and(
            eq(outboxDeliveries.outboxId, due.outboxId),
            eq(outboxDeliveries.destination, due.destination),
            sql`delivered_at IS NULL AND given_up_at IS NULL`,
          ),
        )
        .returning({ outboxId: outboxDeliveries.outboxId });
      if (ended) await andThen?.(tx);
    }),
  );
}

/** Puts a delivery off. Cognito answered that it did nothing, so the attempt is not unanswered. */
export async function deferDelivery(
  db: Database,
  due: ClaimedDelivery,
  code: string,
  delayMs: number,
): Promise<void> {
  await endAttempt(db, due, {
    lastError: code,
    unanswered: sql`CASE WHEN mail_attempted_at IS NULL THEN unanswered ELSE greatest(unanswered - 1, 0) END`,
    mailAttemptedAt: null,
    nextAttemptAt: sql`now() + make_interval(secs => ${delayMs / 1000})`,
  });
}

/** Nobody knows whether the attempt took effect: the next one waits until it can no more. */
export async function deferUnanswered(
  db: Database,
  due: ClaimedDelivery,
  code: string,
  delaySeconds: number,
): Promise<void> {
  await endAttempt(db, due, {
    lastError: code,
    nextAttemptAt: sql`now() + make_interval(secs => ${delaySeconds})`,
  });
}

/** Slow: 5 s, doubling, at most an hour apart. The default mailer's quota is counted in days. */
export function deferralMs(attempts: number): number {
  return Math.min(3_600_000, 5000 * 2 ** Math.min(attempts, 20));
}
