import { Problem } from '../problem-details.ts';
import { isUuid } from './fields.ts';

/** Where a page ended: the keyset of its last row. */
export interface PageEnd {
  readonly at: Date;
  readonly id: string;
}

const MAX_TIME_MS = Date.UTC(9999, 0);
const FORM = /^[A-Za-z0-9_-]{1,200}$/;

/** Opaque to callers, so that its content may change. */
export function toCursor({ at, id }: PageEnd): string {
  return Buffer.from(`${at.getTime()}/${id}`).toString('base64url');
}

/** @throws Problem `invalid_cursor` */
export function fromCursor(cursor: string | undefined): PageEnd | undefined {
  if (cursor === undefined) return undefined;
  const [time = '', id = '', ...rest] = FORM.test(cursor)
    ? Buffer.from(cursor, 'base64url').toString().split('/')
    : [];
  const valid = /^\d{1,15}$/.test(time) && Number(time) < MAX_TIME_MS && isUuid(id);
  if (!valid || rest.length > 0) throw new Problem('invalid_cursor');
  return { at: new Date(Number(time)), id };
}

/** A page of at most `limit` from up to `limit + 1` rows, and the cursor of the next. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  endOf: (row: T) => PageEnd,
): { items: T[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last ? toCursor(endOf(last)) : null };
}
