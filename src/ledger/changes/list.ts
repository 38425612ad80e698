import { and, desc, eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { changes } from '../../db/schema.ts';
import type { Change, ChangeStatus } from '../../domain/change.ts';
import {
  boundedCount,
  boundedPage,
  endOfPage,
  type Position,
  type Scan,
  type ScannedTable,
} from '../bounded-scan.ts';
import { atEdge } from '../database-error.ts';
import { visibilitiesOf, visible, type Caller, type VisibleTable } from '../work/visibility.ts';
import { CHANGE_ROW, toChange } from './row.ts';

/** Totals beyond it are not counted: they cost more than they tell. */
const TOTAL_BOUND = 10_000;

const TABLE: ScannedTable = { name: 'changes', at: 'accepted_at' };
const VISIBLE: VisibleTable = { table: sql`changes`, roles: sql`person_roles` };

export interface ChangeFilter {
  readonly visibleTo: Caller;
  readonly userId?: string;
  readonly statuses?: readonly ChangeStatus[];
}

/** Newest first. A page may have fewer items than `limit`, or none, and still a `next`.
 * @param after where the page before ended */
export async function listChanges(
  db: Database,
  filter: ChangeFilter & { readonly after?: Position | undefined; readonly limit: number },
): Promise<{ items: Change[]; next: Position | null }> {
  const { after, limit } = filter;
  return await atEdge(async () => {
    const { ids, lookedTo } = await boundedPage(db, TABLE, await scansOf(db, filter), {
      after,
      limit,
    });
    const rows = await db
      .select(CHANGE_ROW)
      .from(changes)
      // Again whether the caller may see them: the index knows only a hash of the roles.
      .where(and(sql`id IN (${ids})`, visible(VISIBLE, filter.visibleTo)))
      .orderBy(desc(changes.acceptedAt), desc(changes.id))
      .limit(limit + 1);
    const page = endOfPage(rows, limit, lookedTo, ({ acceptedAt: at, id }) => ({ at, id }));
    return { items: page.items.map(toChange), next: page.next };
  });
}

/** Exact up to 10,000, null beyond; also null if each part of the filter alone fits more rows than a
 * count looks through. */
export async function countChanges(db: Database, filter: ChangeFilter): Promise<number | null> {
  return await atEdge(async () =>
    boundedCount(db, TABLE, await scansOf(db, filter), undefined, TOTAL_BOUND),
  );
}

/** A scan for each part of the filter, the most selective first; the other parts are its rest. */
async function scansOf(
  db: Database,
  { visibleTo, userId, statuses = [] }: ChangeFilter,
): Promise<Scan[]> {
  const may = visible(VISIBLE, visibleTo);
  const person = userId === undefined ? undefined : eq(changes.userId, userId);
  const status = statuses.length > 0 ? inArray(changes.status, [...statuses]) : undefined;
  const scan = (ranges: readonly SQL[], ...rest: (SQL | undefined)[]): Scan => ({
    ranges,
    ordered: true,
    rest: and(...rest),
  });
  const scans: Scan[] = [];
  if (person) scans.push(scan([person], may, status));
  const visibilities = may ? await visibilitiesOf(db, VISIBLE, visibleTo) : null;
  if (visibilities) scans.push(scan(visibilities, person, status));
  if (status) {
    const each = [...new Set(statuses)].map((one) => eq(changes.status, one));
    scans.push(scan(each, may, person));
  }
  if (scans.length === 0) scans.push(scan([sql`true`], may));
  return scans;
}
