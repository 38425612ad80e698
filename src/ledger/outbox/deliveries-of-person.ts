import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import type { AccountDelivery, OutboxDestination } from '../../domain/outbox.ts';
import type { Registration } from '../../domain/registration.ts';
import type { UserEventType } from '../../domain/user-event.ts';
import { atEdge } from '../database-error.ts';
import { eventIdOf } from '../registrations/transitions.ts';

/** Of a person, the newest ones: a promise for a forgotten password is one row per request. */
const SHOWN = 50;

/** What one destination was told, or is to be told, about a person. */
export interface PersonDelivery {
  readonly kind: 'invitation' | AccountDelivery | UserEventType;
  readonly occurredAt: Date;
  /** null: no destination was told, and none is configured or has been given it yet. */
  readonly destination: OutboxDestination | null;
  readonly attempts: number;
  readonly deliveredAt: Date | null;
  readonly givenUpAt: Date | null;
  /** null once it was delivered or given up. */
  readonly nextAttemptAt: Date | null;
  readonly lastError: string | null;
}

type Named = Pick<Registration, 'id' | 'email' | 'username' | 'cognitoUsername' | 'userId'>;

/** The deliveries about a person, newest first. Those that were made everywhere are kept for some days
 * only (`DELIVERED_KEPT_DAYS`). @param person the registration, whose caller may see it */
export async function deliveriesOfPerson(db: Database, person: Named): Promise<PersonDelivery[]> {
  const { id, email, username, cognitoUsername, userId } = person;
  const names = [email, username, cognitoUsername, userId].flatMap(
    (name) => name?.toLowerCase() ?? [],
  );
  const rows = await atEdge(() =>
    db.execute<{
      kind: PersonDelivery['kind'];
      occurred_at: string;
      destination: OutboxDestination | null;
      attempts: number | null;
      delivered_at: string | null;
      given_up_at: string | null;
      next_attempt_at: string | null;
      last_error: string | null;
    }>(sql`WITH told AS (
        -- The first event by its id, since the index by registration leaves it out.
        SELECT id, kind, occurred_at FROM outbox WHERE id = ${eventIdOf(id, 'user.created')}::uuid
        UNION ALL
        (SELECT id, kind, occurred_at FROM outbox
          WHERE registration_id = ${id}::uuid AND kind <> 'user.created'
          ORDER BY occurred_at DESC LIMIT ${SHOWN})
        UNION ALL
        -- Who has the names now: of an earlier registration they may be another person's since.
        (SELECT id, kind, occurred_at FROM outbox
          WHERE account_name IS NOT NULL
            AND lower(account_name COLLATE "C") = ANY(${sql.param(names)}::text[])
            AND EXISTS (SELECT FROM registrations
              WHERE id = ${id}::uuid AND living AND replaced_by IS NULL)
          ORDER BY occurred_at DESC LIMIT ${SHOWN})
      )
      SELECT t.kind, t.occurred_at, d.destination, d.attempts, d.delivered_at, d.given_up_at,
        CASE WHEN d.delivered_at IS NULL AND d.given_up_at IS NULL THEN d.next_attempt_at END
          AS next_attempt_at, d.last_error
      FROM told t LEFT JOIN outbox_deliveries d ON d.outbox_id = t.id
      ORDER BY t.occurred_at DESC, t.id, d.destination LIMIT ${SHOWN}`),
  );
  const at = (time: string | null): Date | null => (time === null ? null : new Date(time));
  return rows.map((row) => ({
    kind: row.kind,
    occurredAt: new Date(row.occurred_at),
    destination: row.destination,
    attempts: row.attempts ?? 0,
    deliveredAt: at(row.delivered_at),
    givenUpAt: at(row.given_up_at),
    nextAttemptAt: at(row.next_attempt_at),
    lastError: row.last_error,
  }));
}
