import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { pointerTo, Problem } from '../problems/problem-details.ts';

export const VISIBLE_ASCII = /^[!-~]{1,255}$/;

/** For the document. `idempotencyKeyOf` checks the value, at its place in the order of checks. */
export const idempotencyKey = z.string().optional().openapi({
  pattern: VISIBLE_ASCII.source,
  description:
    '1 to 255 visible ASCII characters. A request with the same key and body returns the same registration.',
});

/** The request's Idempotency-Key, or null without one. @throws Problem */
export function idempotencyKeyOf(c: Context): string | null {
  const key = c.req.header('idempotency-key');
  if (key === undefined) return null;
  if (VISIBLE_ASCII.test(key)) return key;
  const place = {
    pointer: pointerTo('headers', 'idempotency-key'),
    code: 'invalid_format',
    detail: 'Must be 1 to 255 visible ASCII characters.',
  };
  throw new Problem('invalid_request', { errors: [place] });
}
