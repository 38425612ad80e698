import { and, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { LIVING, registrations } from '../../db/schema.ts';
import { atEdge } from '../database-error.ts';

/** Records the names that a person has chosen; undefined leaves one as it is. */
export async function recordNames(
  db: Database,
  userId: string,
  names: { readonly firstName?: string | undefined; readonly lastName?: string | undefined },
): Promise<void> {
  const { firstName, lastName } = names;
  if (firstName === undefined && lastName === undefined) return;
  await atEdge(() =>
    db
      .update(registrations)
      .set({
        ...(firstName === undefined ? {} : { firstName }),
        ...(lastName === undefined ? {} : { lastName }),
      })
      .where(and(sql`user_id = ${userId}`, sql`(${LIVING})`)),
  );
}
