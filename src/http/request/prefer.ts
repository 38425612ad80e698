import { z } from '@hono/zod-openapi';

/** For the document: the header of operations that can wait. */
export const preferWait = z.string().optional().openapi({
  description:
    '`wait=<seconds>`, at most 60: respond when the outcome is known, or when the time is over.',
  example: 'wait=10',
});
/** For the document: the header of their responses. */
export const WAITED = { 'Preference-Applied': 'The preferences that were applied.' };

/** The longest wait that a request may ask for. */
export const MAX_WAIT_SECONDS = 60;

const WAIT = /^wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;.*)?$/i;

/**
 * The seconds that a `Prefer` header asks to wait for, at most 60; null when it does not ask, or
 * not readably: RFC 7240 has unreadable preferences ignored. The first `wait` counts.
 */
export function waitSecondsOf(prefer: string | undefined): number | null {
  for (const preference of (prefer ?? '').split(',')) {
    const match = WAIT.exec(preference.trim());
    const digits = match?.[1] ?? match?.[2];
    if (digits !== undefined) return Math.min(Number(digits), MAX_WAIT_SECONDS);
  }
  return null;
}

/** Whether a `Prefer` header asks to be answered before the work is done. */
export function prefersAsync(prefer: string | undefined): boolean {
  return (prefer ?? '').split(',').some((one) => /^\s*respond-async\s*(?:;.*)?$/i.test(one));
}
