import { and, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { HOLDS_EMAIL, LIVING, registrations } from '../../db/schema.ts';
import type { Registration } from '../../domain/registration.ts';
import { caseless } from '../../domain/username.ts';
import { atEdge } from '../database-error.ts';
import { ROW, toRegistration } from './row.ts';

export const hasEmail = (email: string): SQL =>
  sql`${registrations.email} = ${email} AND ${HOLDS_EMAIL}`;
// In the C collation, as the index: in others `lower` may not take I to i.
export const hasUsername = (username: string): SQL =>
  sql`lower(${registrations.username} COLLATE "C") = ${caseless(username)}`;

// Living and past rows have an index each, so that a new row enters one of them: a search asks both.
const livingOrPast = (condition: SQL): SQL =>
  sql`((${condition} AND living) OR (${condition} AND NOT living))`;
/** A sign-up that is being replaced lives, and its address is among the past ones. */
const livingOrPastEmail = (condition: SQL): SQL =>
  sql`((${condition} AND living AND ${HOLDS_EMAIL})
    OR (${condition} AND (NOT living OR replaced_by IS NOT NULL)))`;
export const everHadEmail = (email: string): SQL => livingOrPastEmail(sql`email = ${email}`);
/** The beginning of an address, as it is stored. By bytes, as the index, whatever the collation. */
export const everHadEmailPrefix = (prefix: string): SQL =>
  livingOrPastEmail(sql`email ~>=~ ${prefix} AND email ~<~ ${`${prefix}\u{10FFFF}`}`);
// As an array: PostgreSQL keeps no statistics of `lower`, and would expect many in a page of the newest.
export const everHadUsername = (username: string): SQL =>
  sql`id = ANY(ARRAY(SELECT id FROM registrations WHERE ${livingOrPast(hasUsername(username))}))`;

/** The living row that fits, of which an address or a username has at most one. */
export async function findLiving(
  db: Database | Transaction,
  condition: SQL,
): Promise<Registration | null> {
  return await atEdge(async () => {
    const [row] = await db
      .select(ROW)
      .from(registrations)
      .where(and(condition, sql`(${LIVING})`))
      .limit(1);
    return row ? toRegistration(row) : null;
  });
}
