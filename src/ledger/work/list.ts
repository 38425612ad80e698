import { and, desc, getTableName, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import {
  boundedCount,
  boundedPage,
  endOfPage,
  type Position,
  type Scan,
  type ScannedTable,
} from '../bounded-scan.ts';
import { atEdge } from '../database-error.ts';
import { visible, type Caller, type VisibleTable } from './visibility.ts';
import { selectRows, type Work, type WorkRow } from './work.ts';

/** Totals beyond it are not counted: they cost more than they tell. */
export const TOTAL_BOUND = 10_000;

/** How the rows of a table of work are listed. */
export interface WorkList<Row extends WorkRow, Filter> {
  readonly work: Work<Row>;
  readonly visible: VisibleTable;
  readonly scansOf: (db: Database, filter: Filter) => Promise<Scan[]>;
  /** The times of acceptance that the filter wants; undefined: all. */
  readonly within: (filter: Filter) => SQL | undefined;
}

/** A filter, and where the page before ended. */
export type PageOf<Filter> = Filter & {
  readonly after?: Position | undefined;
  readonly limit: number;
};

/** Newest first. A page may have fewer items than `limit`, or none, and still a `next`. */
export async function listWork<Row extends WorkRow, Filter extends { readonly visibleTo: Caller }>(
  db: Database,
  list: WorkList<Row, Filter>,
  filter: PageOf<Filter>,
): Promise<{ items: Row[]; next: Position | null }> {
  const { after, limit } = filter;
  const { work } = list;
  return await atEdge(async () => {
    const bounds = { within: list.within(filter), after, limit };
    const scans = await list.scansOf(db, filter);
    const { ids, lookedTo } = await boundedPage(db, scannedOf(work), scans, bounds);
    // Again whether the caller may see them: the index knows only a hash of the roles.
    const where = and(sql`id IN (${ids})`, visible(list.visible, filter.visibleTo));
    const orderBy = [desc(work.table.acceptedAt), desc(work.table.id)];
    const rows = await selectRows(db, work, where, { limit: limit + 1, orderBy });
    return endOfPage(rows, limit, lookedTo, ({ acceptedAt: at, id }) => ({ at, id }));
  });
}

/** Exact up to 10,000, null beyond; also null if each part of the filter alone fits more rows than a
 * count looks through. */
export async function countWork<Row extends WorkRow, Filter>(
  db: Database,
  { work, scansOf, within }: WorkList<Row, Filter>,
  filter: Filter,
): Promise<number | null> {
  return await atEdge(async () => {
    const scans = await scansOf(db, filter);
    return await boundedCount(db, scannedOf(work), scans, within(filter), TOTAL_BOUND);
  });
}

function scannedOf<Row extends WorkRow>({ table }: Work<Row>): ScannedTable {
  return { name: getTableName(table), at: 'accepted_at' };
}
