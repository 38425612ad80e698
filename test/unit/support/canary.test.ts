import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formsOf, foundIn, newCanary, piecesOf } from '../../support/canary.ts';

const canary = newCanary();
const NAMES = [...formsOf(canary).keys()];

test.each(NAMES)('%s is found wherever it stands', (name) => {
  const form = formsOf(canary).get(name) ?? Buffer.of();
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (before, after) => {
      expect(foundIn([Buffer.concat([before, form, after])], canary)).toContain(name);
    }),
  );
});

test('base64 of what holds it is found, whatever surrounds it', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (before, after) => {
      const whole = Buffer.concat([before, Buffer.from(canary), after]);
      expect(foundIn([Buffer.from(whole.toString('base64'))], canary)).not.toEqual([]);
      expect(foundIn([Buffer.from(whole.toString('base64url'))], canary)).not.toEqual([]);
    }),
  );
});

test('it is found in values: texts, keys and bytes, however deep', () => {
  const places = [
    { a: [{ b: `x${canary}y` }] },
    { [canary]: 1 },
    { payload: { data: new Uint8Array(Buffer.from(canary)) } },
    { line: JSON.stringify({ msg: JSON.stringify({ canary }) }) },
  ];
  for (const place of places) expect(foundIn(piecesOf(place), canary)).not.toEqual([]);
});

test('nothing is found where it is not', () => {
  const other = newCanary();
  const everything = [...formsOf(other).values()];
  expect(foundIn(everything, canary)).toEqual([]);
  expect(foundIn(piecesOf({ a: [null, 1, true, undefined, other] }), canary)).toEqual([]);
});
