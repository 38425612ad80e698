import { and, eq, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { atEdge } from '../database-error.ts';
import { selectRows, type Work, type WorkRow } from './work.ts';

/** What a repeated request is known by. */
export interface RequestKey {
  /** Within what a key is unique. */
  readonly keyScope: string;
  readonly idempotencyKey: string;
}

/** The row that holds a key, if one does. @param holds as the unique index of keys says it */
export async function findRowByKey<Row extends WorkRow>(
  db: Database | Transaction,
  work: Work<Row>,
  { keyScope, idempotencyKey }: RequestKey,
  holds: SQL,
): Promise<Row | null> {
  const { table } = work;
  const where = and(eq(table.keyScope, keyScope), eq(table.idempotencyKey, idempotencyKey), holds);
  return await atEdge(async () => {
    const [row] = await selectRows(db, work, where, { limit: 1 });
    return row ?? null;
  });
}
