import { describe, expect, test } from 'vitest';
import {
  barTable,
  columnChart,
  summaryOf,
  type ColumnChart,
} from '../../../../src/http/console/charts.ts';
import { counted, numberOf } from '../../../../src/http/console/numbers.ts';

const BOUND = 10_000;
const chart = (values: readonly number[], given: Partial<ColumnChart> = {}) =>
  String(
    columnChart({
      caption: 'By hour',
      labels: values.map((_, index) => `${index}:00`),
      unit: 'hour',
      series: [{ name: 'Failed', tone: 'bad', values }],
      bound: BOUND,
      ...given,
    }),
  );
/** Of each column: where it begins and how high it is. */
const columns = (markup: string) =>
  [...markup.matchAll(/<rect x="(\d+)" y="([\d.]+)" width="8" height="([\d.]+)"/g)].map(
    ([, x, y, height]) => ({ x: Number(x), y: Number(y), height: Number(height) }),
  );

test('a chart of nothing has no column and says none', () => {
  const markup = chart([0, 0, 0]);
  expect(columns(markup)).toEqual([]);
  expect(markup).toContain('aria-label="Failed: none"');
  expect(markup).not.toMatch(/NaN|Infinity|undefined/);
  expect(chart([])).not.toMatch(/NaN|Infinity|undefined/);
});

test('the largest value fills the height, and the smallest above 0 is still seen', () => {
  const drawn = columns(chart([1, 0, 1_000_000], { bound: 2_000_000 }));
  expect(drawn).toEqual([
    { x: 1, y: 38.5, height: 1.5 },
    { x: 21, y: 0, height: 40 },
  ]);
});

test('one value alone fills the height', () => {
  const markup = chart([1]);
  expect(columns(markup)).toEqual([{ x: 1, y: 0, height: 40 }]);
  expect(markup).toContain('viewBox="0 0 10 40"');
});

test('a chart names its series, its interval and its largest value, and has all values as a table', () => {
  const markup = chart([3, 1200]);
  const summary = '1,203, at most 1,200 in one hour';
  expect(markup).toContain(`role="img" aria-label="Failed: ${summary}"`);
  expect(markup).toContain(`<strong>Failed</strong><span>${summary}</span>`);
  const [, table = ''] = markup.split('<summary>As a table</summary>');
  expect(table).toMatch(/0:00.*>3<.*1:00.*>1,200</);
  expect(markup).toContain('<span>0:00</span><span>1:00</span>');
});

test('where counting stopped, the summary and the table say so', () => {
  expect(summaryOf({ values: [BOUND, 1] }, 'day', BOUND)).toBe(
    '10,001 or more, at most 10,000 or more in one day',
  );
  expect(chart([BOUND])).toContain('>10,000 or more<');
});

describe('a table of bars', () => {
  const bars = (rows: { label: string; value: number }[]) =>
    String(
      barTable({
        caption: 'Failure codes',
        head: 'Code',
        counted: 'Registrations',
        rows,
        bound: BOUND,
        empty: 'None failed.',
      }),
    );
  const widths = (markup: string) =>
    [...markup.matchAll(/<rect width="([\d.]+)" height="10"/g)].map(([, width]) => Number(width));

  test('without rows says what that means', () => {
    expect(bars([])).toContain('None failed.');
  });

  test('draws each number in proportion to the largest', () => {
    const markup = bars([
      { label: 'a', value: BOUND },
      { label: 'b', value: 5000 },
      { label: 'c', value: 1 },
      { label: 'd', value: 0 },
    ]);
    expect(widths(markup)).toEqual([100, 50, 1.5]);
    expect(markup).toContain('10,000 or more');
  });

  test('shows markup in a label as text', () => {
    const markup = bars([{ label: '<script>alert(1)</script>', value: 1 }]);
    expect(markup).toContain('&lt;script&gt;');
    expect(markup).not.toContain('<script>');
  });
});

test('numbers are grouped, and nouns follow them', () => {
  expect(numberOf(1234567)).toBe('1,234,567');
  expect(counted(1, 'registration')).toBe('1 registration');
  expect(counted(0, 'change')).toBe('0 changes');
  expect(counted(10_000, 'change', 10_000)).toBe('10,000 or more changes');
});
