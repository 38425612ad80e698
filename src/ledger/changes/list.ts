import { and, eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { changes } from '../../db/schema.ts';
import type { Change, ChangeStatus } from '../../domain/change.ts';
import type { Position, Scan } from '../bounded-scan.ts';
import { countWork, listWork, type PageOf, type WorkList } from '../work/list.ts';
import { visibilitiesOf, visible, type Caller, type VisibleTable } from '../work/visibility.ts';
import { CHANGE_WORK, toChange, type ChangeRow } from './row.ts';

const VISIBLE: VisibleTable = { table: sql`changes`, roles: sql`person_roles` };

const LIST: WorkList<ChangeRow, ChangeFilter> = {
  work: CHANGE_WORK,
  visible: VISIBLE,
  scansOf,
  within: () => undefined,
};

export interface ChangeFilter {
  readonly visibleTo: Caller;
  readonly userId?: string;
  readonly statuses?: readonly ChangeStatus[];
}

/** Newest first; see `listWork`. */
export async function listChanges(
  db: Database,
  filter: PageOf<ChangeFilter>,
): Promise<{ items: Change[]; next: Position | null }> {
  const { items, next } = await listWork(db, LIST, filter);
  return { items: items.map(toChange), next };
}

/** See `countWork`. */
export async function countChanges(db: Database, filter: ChangeFilter): Promise<number | null> {
  return await countWork(db, LIST, filter);
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
