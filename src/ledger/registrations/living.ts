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
/** The two ranges of a search for a username. */
export const livingAndPast = (condition: SQL): SQL[] => [
  sql`(${condition} AND living)`,
  sql`(${condition} AND NOT living)`,
];
/** The same of an address: a sign-up that is being replaced lives, and its address is among the past ones. */
export const livingAndPastEmail = (condition: SQL): SQL[] => [
  sql`(${condition} AND living AND ${HOLDS_EMAIL})`,
  sql`(${condition} AND (NOT living OR replaced_by IS NOT NULL))`,
];
export const everHadEmail = (email: string): SQL =>
  sql`(${sql.join(livingAndPastEmail(sql`email = ${email}`), sql` OR `)})`;
/** The beginning of an address, as it is stored. By bytes, as the index, whatever the collation. */
export const hasEmailPrefix = (prefix: string): SQL =>
  sql`(email ~>=~ ${prefix} AND email ~<~ ${`${prefix}\u{10FFFF}`})`;

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
