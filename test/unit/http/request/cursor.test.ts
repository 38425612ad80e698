import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Problem } from '../../../../src/http/problems/problem-details.ts';
import { fromCursor, toCursor } from '../../../../src/http/request/cursor.ts';

const LAST = new Date('9999-12-31T23:59:59.999Z');
const ends = fc.record({
  at: fc.date({ min: new Date(0), max: LAST, noInvalidDate: true }),
  id: fc.uuid(),
});
const CURSOR = /^[A-Za-z0-9_-]{29}[AQgw]$/;

test('a cursor leads back to where its page ended', () => {
  fc.assert(
    fc.property(ends, (end) => {
      expect(toCursor(end)).toMatch(CURSOR);
      expect(fromCursor(toCursor(end))).toEqual(end);
    }),
  );
});

test('whatever has the form of a cursor names one place that PostgreSQL can look for', () => {
  fc.assert(
    fc.property(fc.stringMatching(CURSOR), (text) => {
      const end = fromCursor(text);
      expect(end?.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(end?.at.getTime()).toBeLessThanOrEqual(LAST.getTime());
    }),
  );
});

test('anything else is no cursor', () => {
  const other = fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.uuid());
  fc.assert(
    fc.property(other, (text) => {
      fc.pre(!CURSOR.test(text));
      expect(() => fromCursor(text)).toThrow(new Problem('invalid_cursor'));
    }),
  );
  expect(fromCursor(undefined)).toBeUndefined();
});
