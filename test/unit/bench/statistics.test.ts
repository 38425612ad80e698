import { expect, test } from 'vitest';
import { median, percentile, sum } from '../../bench/statistics.ts';

test('a percentile is a value that was measured, whatever their order', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentile(values, 0.5)).toBe(50);
  expect(percentile(values, 0.99)).toBe(99);
  expect(percentile(values, 1)).toBe(100);
  expect(percentile([7], 0.01)).toBe(7);
});

test('the median of an even number of values is the lower one, and of none NaN', () => {
  expect(median([4, 1, 3, 2])).toBe(2);
  expect(median([])).toBeNaN();
});

test('a sum of nothing is 0', () => {
  expect(sum([])).toBe(0);
  expect(sum([1, 2.5])).toBe(3.5);
});
