import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import type { PublicFailure } from '../../domain/registration.ts';
import { BACKLOG_BOUND } from '../backlog.ts';
import { atEdge } from '../database-error.ts';
import { visible, type Caller } from '../work/visibility.ts';

/** An invitation that is not sent again by itself. */
export interface StuckInvitation {
  readonly registrationId: string;
  /** null once the person is erased. */
  readonly email: string | null;
  readonly roles: readonly string[];
  readonly failure: PublicFailure | null;
  readonly since: Date;
}

/** Those of registrations that the caller may see, the oldest first. @throws DatabaseError */
export async function listStuckInvitations(
  db: Database,
  visibleTo: Caller,
  limit: number,
): Promise<StuckInvitation[]> {
  const seen = visible({ table: sql`registrations`, roles: sql`roles` }, visibleTo) ?? sql`true`;
  const rows = await atEdge(() =>
    db.execute<{
      id: string;
      email: string | null;
      roles: string[];
      failure: PublicFailure | null;
      since: string;
    }>(sql`WITH stuck AS (
        SELECT o.registration_id, d.given_up_at AS since FROM (
          SELECT outbox_id, given_up_at FROM outbox_deliveries
          WHERE destination = 'cognito-mail' AND given_up_at IS NOT NULL LIMIT ${BACKLOG_BOUND}) d
        JOIN outbox o ON o.id = d.outbox_id)
      SELECT id, email, roles, invitation_failure AS failure, since
      FROM registrations JOIN stuck ON registration_id = id
      WHERE ${seen} ORDER BY since, id LIMIT ${limit}`),
  );
  return rows.map(({ id, since, ...row }) => ({
    ...row,
    registrationId: id,
    since: new Date(since),
  }));
}
