import { expect, test } from 'vitest';
import { chartOf } from '../../bench/chart.ts';

const widthsIn = (svg: string) =>
  [...svg.matchAll(/<rect x="[\d.]+" y="\d+" width="([\d.]+)" height="18"/g)].map(([, width]) =>
    Number(width),
  );

test('bars are as long as their values, and the parts of a bar add up', () => {
  const svg = chartOf([
    {
      title: 'CPU <ms>',
      parts: ['API', 'PostgreSQL'],
      bars: [
        { label: 'A', parts: [10, 30] },
        { label: 'B', parts: [5, 15] },
      ],
      digits: 1,
    },
  ]);
  const [api = 0, postgres = 0, ...half] = widthsIn(svg);
  expect(postgres).toBeCloseTo(3 * api, 0);
  expect(half).toEqual([api / 2, postgres / 2].map((width) => expect.closeTo(width, 0)));
  expect(svg).toContain('>40.0</text>');
  expect(svg).toContain('CPU &lt;ms&gt;');
  expect(svg).toContain('>PostgreSQL</text>');
});

test('each panel has its own scale', () => {
  const panel = (value: number) => ({
    title: 't',
    parts: [''],
    bars: [{ label: 'A', parts: [value] }],
    digits: 0,
  });
  const [first, second] = widthsIn(chartOf([panel(1), panel(1000)]));
  expect(first).toBe(second);
});

test('a panel of zeros has bars without length', () => {
  const zero = { title: 't', parts: [''], bars: [{ label: 'A', parts: [0] }], digits: 0 };
  expect(widthsIn(chartOf([zero]))).toEqual([0]);
});
