import { sql, type SQL } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { IS_ERASABLE } from '../db/schema.ts';
import type { Registration } from '../domain/registration.ts';
import { atEdge } from './database-error.ts';
import { eraseUncompleted } from './erasure.ts';
import { findLiving, hasEmail } from './registrations/living.ts';

/** Rows of one transaction. */
const BATCH = 500;

export type AddressErasure =
  | { readonly kind: 'erased'; readonly ids: readonly string[] }
  /** An open registration, or that of a person who exists: nothing was erased. */
  | { readonly kind: 'held'; readonly holder: Registration };

/** Erases every failed or cancelled registration of an address that nobody holds. */
export async function eraseAddress(db: Database, email: string): Promise<AddressErasure> {
  const ids: string[] = [];
  for (;;) {
    const batch = await atEdge(() =>
      db.transaction(async (tx): Promise<AddressErasure> => {
        const holder = await findLiving(tx, hasEmail(email));
        if (holder) return { kind: 'held', holder };
        return {
          kind: 'erased',
          ids: await eraseUncompleted(tx, pastOf(email), BATCH, 'operator'),
        };
      }),
    );
    if (batch.kind === 'held' && ids.length === 0) return batch;
    if (batch.kind === 'held') break;
    ids.push(...batch.ids);
    if (batch.ids.length < BATCH) break;
  }
  return { kind: 'erased', ids };
}

/** What `eraseAddress` would erase. */
export async function uncompletedOf(db: Database, email: string): Promise<AddressErasure> {
  const holder = await findLiving(db, hasEmail(email));
  if (holder) return { kind: 'held', holder };
  const rows = await atEdge(() =>
    db.execute<{ id: string }>(
      sql`SELECT id FROM registrations WHERE ${pastOf(email)} AND ${IS_ERASABLE} ORDER BY finished_at`,
    ),
  );
  return { kind: 'erased', ids: rows.map(({ id }) => id) };
}

const pastOf = (email: string): SQL => sql`email = ${email} AND NOT living`;
