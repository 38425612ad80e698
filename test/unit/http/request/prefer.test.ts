import { expect, test } from 'vitest';
import { waitSecondsOf } from '../../../../src/http/request/prefer.ts';

test.each([
  ['wait=0', 0],
  ['wait=60', 60],
  ['wait=61', 60],
  [`wait=${'9'.repeat(400)}`, 60],
  ['wait="5"', 5],
  ['Wait = 7; because="I can"', 7],
  ['respond-async, wait=3', 3],
  ['wait=2, wait=9', 2],
  ['wait=-1', null],
  ['wait=1.5', null],
  ['wait=soon, wait=4', 4],
  ['wait', null],
  ['', null],
  [undefined, null],
])('Prefer: %s', (prefer, seconds) => {
  expect(waitSecondsOf(prefer)).toBe(seconds);
});
