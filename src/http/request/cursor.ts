import { z } from '@hono/zod-openapi';
import { Problem } from '../problems/problem-details.ts';
import { LAST_INSTANT } from './fields.ts';

/** Where a page ended: the keyset of its last row. */
export interface PageEnd {
  readonly at: Date;
  /** A UUID. */
  readonly id: string;
}

/** Milliseconds and the id. */
const TIME_BYTES = 6;
const BYTES = TIME_BYTES + 16;
/** 22 bytes of base64url: only two bits of the last character are used. */
const FORM = /^[A-Za-z0-9_-]{29}[AQgw]$/;

/** For the document; `fromCursor` checks it. */
export const cursor = z.string().optional().openapi({
  pattern: FORM.source,
  description: 'The `nextCursor` of the previous page.',
});

/** For the document: of every list that looks through a bounded number of rows for one page. */
export const SHORT_PAGES =
  'A page may have fewer items than `limit`, or none, although more follow: continue until `nextCursor` is null.';

/** Opaque to callers, so that its content may change. */
export function toCursor({ at, id }: PageEnd): string {
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUIntBE(at.getTime(), 0, TIME_BYTES);
  bytes.write(id.replaceAll('-', ''), TIME_BYTES, 'hex');
  return bytes.toString('base64url');
}

/** @throws Problem `invalid_cursor` */
export function fromCursor(text: string | undefined): PageEnd | undefined {
  if (text === undefined) return undefined;
  if (!FORM.test(text)) throw new Problem('invalid_cursor');
  const bytes = Buffer.from(text, 'base64url');
  const hex = bytes.toString('hex', TIME_BYTES);
  return {
    at: new Date(Math.min(bytes.readUIntBE(0, TIME_BYTES), LAST_INSTANT)),
    id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  };
}
