import { and, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../db/client.ts';

/** Lists of a table that grows for years. A page looks through a bounded number of index entries,
 * answers with what it found, and says where the next page goes on. */

/** Rows that one page looks through. */
export const PAGE_BOUND = 5000;
/** Rows that a count looks through, where an index alone does not know the number. */
export const COUNT_BOUND = 15_000;

/** Where a page ended: lists are sorted by time, then by id, newest first. */
export interface Position {
  readonly at: Date;
  readonly id: string;
}

export interface ScannedTable {
  readonly name: string;
  /** The column that is the order of the list, beside `id`. */
  readonly at: string;
}

/** One way to find the rows of a filter. */
export interface Scan {
  /** Disjoint; each is an equality, or a range, of one index. */
  readonly ranges: readonly SQL[];
  /** Whether the index of each range is in the order of the list. */
  readonly ordered: boolean;
  /** What is left of the filter. */
  readonly rest: SQL | undefined;
}

export interface Bounds {
  /** Of the time, for all scans. */
  readonly within?: SQL | undefined;
  readonly after?: Position | undefined;
}

interface BoundedPage {
  /** Selects the ids of a page, and of the one row behind it that tells whether there is more. */
  readonly ids: SQL;
  /** How far was looked; null if there is nothing behind. */
  readonly lookedTo: Position | null;
}

/** @param scans the most selective first; at least one is ordered */
export async function boundedPage(
  db: Database,
  table: ScannedTable,
  scans: readonly Scan[],
  { after, within, limit }: Bounds & { readonly limit: number },
): Promise<BoundedPage> {
  const { at } = names(table);
  const bounds = and(within, after && sql`(${at}, id) < ${tuple(after)}`);
  const indexed = scans.find(isIndexed);
  const whole = indexed ?? (await firstWithin(db, table, scans, bounds, PAGE_BOUND));
  const furthest = whole
    ? { scan: whole, lookedTo: null }
    : await furthestBack(db, table, scans, bounds, limit);
  const { scan, lookedTo } = furthest;
  const seen = and(bounds, lookedTo ? sql`(${at}, id) >= ${tuple(lookedTo)}` : undefined);
  return { ids: idsOf(table, scan, seen, limit + 1), lookedTo };
}

/** The items of a page from up to `limit + 1` rows, and where the next one begins. */
export function endOfPage<T>(
  rows: readonly T[],
  limit: number,
  lookedTo: Position | null,
  positionOf: (row: T) => Position,
): { items: T[]; next: Position | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last ? positionOf(last) : lookedTo };
}

/** @returns null if there are more than `most`, or if no scan is small enough to count its rows */
export async function boundedCount(
  db: Database,
  table: ScannedTable,
  scans: readonly Scan[],
  within: SQL | undefined,
  most: number,
): Promise<number | null> {
  const indexed = scans.find(isIndexed);
  const scan = indexed ?? (await firstWithin(db, table, scans, within, COUNT_BOUND));
  if (!scan) return null;
  const rows = scan.ranges.map((range) => {
    const inRange = entriesOf(table, scan, range, within);
    return indexed
      ? sql`(${inRange})`
      : sql`(SELECT 1 FROM (${wholeRows(table, range)}) AS
      ${names(table).name} WHERE ${and(scan.rest, within) ?? sql`true`})`;
  });
  const [counted] = await db.execute<{ count: number }>(
    sql`SELECT ${countOf(rows, most + 1)} AS count`,
  );
  const count = counted?.count ?? 0;
  return count > most ? null : count;
}

/** Whether an index alone knows the rows and their order. */
function isIndexed({ ordered, rest }: Scan): boolean {
  return ordered && rest === undefined;
}

/** The first scan whose rows are all within the bound. */
async function firstWithin(
  db: Database,
  table: ScannedTable,
  scans: readonly Scan[],
  bounds: SQL | undefined,
  bound: number,
): Promise<Scan | null> {
  // PostgreSQL counts the rows of a scan only if those before it have too many.
  const cases = scans.map((scan, index) => {
    const ranges = scan.ranges.map((range) => sql`(${entriesOf(table, scan, range, bounds)})`);
    return sql`WHEN ${countOf(ranges, bound + 1)} <= ${bound}::int THEN ${index}::int`;
  });
  const [first] = await db.execute<{ index: number | null }>(
    sql`SELECT CASE ${sql.join(cases, sql` `)} END AS index`,
  );
  return scans[first?.index ?? -1] ?? null;
}

/** The ordered scan that gets furthest back in time within the bound, and where that is. */
async function furthestBack(
  db: Database,
  table: ScannedTable,
  scans: readonly Scan[],
  bounds: SQL | undefined,
  limit: number,
): Promise<{ scan: Scan; lookedTo: Position | null }> {
  const { name, at, newestFirst } = names(table);
  const ends = scans.flatMap((scan, index) => {
    if (!scan.ordered) return [];
    // At least a full page of each range, or many ranges would make many short pages.
    const share = Math.max(Math.ceil(PAGE_BOUND / scan.ranges.length), limit + 1);
    return scan.ranges.map(
      (range) => sql`(SELECT ${index}::int AS index, ${at} AS at, id FROM ${name}
        WHERE ${and(range, bounds)} ${newestFirst} LIMIT 1 OFFSET ${share - 1})`,
    );
  });
  // Of several ranges the list is known as far as the first that ends.
  const rows = await db.execute<{ index: number; at: string; id: string }>(
    sql`SELECT DISTINCT ON (index) index, at, id FROM (${sql.join(ends, sql` UNION ALL `)}) AS ends
      ORDER BY index, at DESC, id DESC`,
  );
  const found = scans.flatMap((scan, index) => {
    if (!scan.ordered) return [];
    const end = rows.find((row) => row.index === index);
    // Without an end, all its ranges are shorter than their share.
    return [{ scan, lookedTo: end ? { at: new Date(end.at), id: end.id } : null }];
  });
  return found.reduce((best, one) => (isBehind(one.lookedTo, best.lookedTo) ? one : best));
}

/** Whether the first position lies further back; null is the end of the list. */
function isBehind(one: Position | null, other: Position | null): boolean {
  if (one === null || other === null) return other !== null;
  const later = other.at.getTime() - one.at.getTime();
  return later > 0 || (later === 0 && one.id < other.id);
}

function idsOf(table: ScannedTable, scan: Scan, bounds: SQL | undefined, limit: number): SQL {
  if (scan.ranges.length === 0) return sql`SELECT NULL::uuid WHERE false`;
  const { name, at, newestFirst } = names(table);
  const ranges = scan.ranges.map((range) => {
    // OFFSET 0, so that PostgreSQL reads no index but the one of the range.
    const rows = scan.ordered
      ? sql`SELECT * FROM ${name} WHERE ${and(range, bounds)} ${newestFirst} OFFSET 0`
      : wholeRows(table, range);
    const rest = and(scan.rest, scan.ordered ? undefined : bounds) ?? sql`true`;
    return sql`(SELECT ${at} AS at, id FROM (${rows}) AS ${name} WHERE ${rest}
      ${newestFirst} LIMIT ${limit})`;
  });
  return sql`SELECT id FROM (${sql.join(ranges, sql` UNION ALL `)}) AS found
    ORDER BY at DESC, id DESC LIMIT ${limit}`;
}

/** What counts as an entry of a range: an unordered one is looked through without regard to the time. */
function entriesOf(table: ScannedTable, scan: Scan, range: SQL, bounds: SQL | undefined): SQL {
  const { name, newestFirst } = names(table);
  return scan.ordered
    ? sql`SELECT 1 FROM ${name} WHERE ${and(range, bounds)} ${newestFirst}`
    : sql`SELECT 1 FROM ${name} WHERE ${range}`;
}

function wholeRows(table: ScannedTable, range: SQL): SQL {
  return sql`SELECT * FROM ${names(table).name} WHERE ${range} OFFSET 0`;
}

function countOf(rows: readonly SQL[], limit: number): SQL {
  if (rows.length === 0) return sql`0`;
  return sql`(SELECT count(*)::int FROM (${sql.join([...rows], sql` UNION ALL `)} LIMIT ${limit}) AS rows)`;
}

function names(table: ScannedTable) {
  const name = sql.identifier(table.name);
  const at = sql.identifier(table.at);
  return { name, at, newestFirst: sql`ORDER BY ${at} DESC, id DESC` };
}

function tuple({ at, id }: Position): SQL {
  return sql`(${at.toISOString()}::timestamptz, ${id}::uuid)`;
}
