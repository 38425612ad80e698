import type { Context } from 'hono';
import { pointerTo, Problem } from '../problem-details.ts';

const VISIBLE_ASCII = /^[\x21-\x7e]{1,255}$/;

/** The request's Idempotency-Key, or null without one. @throws Problem */
export function idempotencyKeyOf(c: Context): string | null {
  const key = c.req.header('idempotency-key');
  if (key === undefined) return null;
  if (VISIBLE_ASCII.test(key)) return key;
  const place = {
    pointer: pointerTo('headers', 'idempotency-key'),
    code: 'invalid_format',
    detail: 'From 1 to 255 visible ASCII characters.',
  };
  throw new Problem('invalid_request', { errors: [place] });
}
