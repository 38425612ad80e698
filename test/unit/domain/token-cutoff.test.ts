import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLOCK_SKEW_MS, compareWithCutoff } from '../../../src/domain/token-cutoff.ts';

const CUTOFF_MS = 1_800_000_000_000;
/** When something happened by PostgreSQL's clock, in ms from the cutoff. */
const offset = fc.integer({ min: -5 * CLOCK_SKEW_MS, max: 5 * CLOCK_SKEW_MS });
/** How far Cognito's clock is ahead of PostgreSQL's. */
const skew = fc.integer({ min: -CLOCK_SKEW_MS, max: CLOCK_SKEW_MS });

/** The second that a token states, which was issued at a time of PostgreSQL's clock. */
const statedSecond = (atMs: number, skewMs: number) => Math.floor((atMs + skewMs) / 1000);

test('a token from before the cutoff is never taken for a later one, whatever the clocks say', () => {
  fc.assert(
    fc.property(offset, skew, (offsetMs, skewMs) => {
      fc.pre(offsetMs < 0);
      const second = statedSecond(CUTOFF_MS + offsetMs, skewMs);
      expect(compareWithCutoff(second, CUTOFF_MS)).not.toBe('after');
    }),
    { numRuns: 1000 },
  );
});

test('a token from after the cutoff is never taken for an earlier one, whatever the clocks say', () => {
  fc.assert(
    fc.property(offset, skew, (offsetMs, skewMs) => {
      fc.pre(offsetMs >= 0);
      const second = statedSecond(CUTOFF_MS + offsetMs, skewMs);
      expect(compareWithCutoff(second, CUTOFF_MS)).not.toBe('before');
    }),
    { numRuns: 1000 },
  );
});

test('times that are further apart than the clocks may be are decided without Cognito', () => {
  fc.assert(
    fc.property(offset, skew, (offsetMs, skewMs) => {
      const second = statedSecond(CUTOFF_MS + offsetMs, skewMs);
      const isFar = Math.abs(offsetMs) > 2 * CLOCK_SKEW_MS + 1000;
      fc.pre(isFar);
      expect(compareWithCutoff(second, CUTOFF_MS)).toBe(offsetMs < 0 ? 'before' : 'after');
    }),
    { numRuns: 1000 },
  );
});

test('with nothing cut off, every time is later', () => {
  expect(compareWithCutoff(0, null)).toBe('after');
});
