import { h, type Content, type Element } from './elements.ts';
import { icon, type Tone } from './icons.ts';
import { numberOf } from './numbers.ts';
import { dataTable } from './parts.ts';

/** Charts as inline SVG, without words in it: words would shrink with the picture on a phone. Each series
 * has a picture of its own, so that no colour has to tell them apart and a rare one is seen beside a
 * frequent one. */

export interface Series {
  readonly name: string;
  readonly tone: Tone;
  /** One for each interval, the oldest first. */
  readonly values: readonly number[];
}

export interface ColumnChart {
  readonly caption: string;
  /** Of each interval, the oldest first. */
  readonly labels: readonly string[];
  /** What an interval is: `hour`. */
  readonly unit: string;
  readonly series: readonly Series[];
  /** Values are counted up to here. */
  readonly bound: number;
}

/** Of a column, its gap included; the height of the tallest. */
const STEP = 10;
const HEIGHT = 40;
/** A value above 0 is seen, however small it is beside the largest. */
const LOWEST = 1.5;

/** What a series comes to, in words. */
export function summaryOf({ values }: Pick<Series, 'values'>, unit: string, bound: number): string {
  const sum = values.reduce((total, value) => total + value, 0);
  if (sum === 0) return 'none';
  const largest = Math.max(...values);
  const all = largest >= bound ? numberOf(sum, sum) : numberOf(sum);
  return `${all}, at most ${numberOf(largest, bound)} in one ${unit}`;
}

/** Columns over time, for each series on a scale of its own, and all values as a table. */
export function columnChart(chart: ColumnChart): Element {
  const { caption, labels, unit, series, bound } = chart;
  const rows = labels.map((label, index) => ({ label, index }));
  return h.figure(
    { class: 'chart' },
    h.figcaption({}, caption),
    series.map(({ name, tone, values }) => {
      const summary = summaryOf({ values }, unit, bound);
      return h.div(
        { class: 'series' },
        h.p(
          { class: `series-name tone-${tone}` },
          icon(tone),
          h.strong({}, name),
          h.span({}, summary),
        ),
        columns(values, `${name}: ${summary}`, tone),
      );
    }),
    h.p({ class: 'axis', 'aria-hidden': 'true' }, h.span({}, labels[0]), h.span({}, labels.at(-1))),
    h.details(
      {},
      h.summary({}, 'As a table'),
      dataTable({
        caption,
        columns: [
          { head: 'From (UTC)', cell: (row: (typeof rows)[number]) => row.label },
          ...series.map(({ name, values }) => ({
            head: name,
            isNumber: true,
            cell: ({ index }: (typeof rows)[number]) => numberOf(values[index] ?? 0, bound),
          })),
        ],
        rows,
      }),
    ),
  );
}

function columns(values: readonly number[], label: string, tone: Tone): Element {
  const largest = Math.max(0, ...values);
  const width = values.length * STEP;
  return h.svg(
    {
      class: `columns-of tone-${tone}`,
      viewBox: `0 0 ${width} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
    },
    values.map((value, index) => {
      if (value === 0) return null;
      const height = Math.max(LOWEST, (value / largest) * HEIGHT);
      return h.rect({
        x: index * STEP + 1,
        y: rounded(HEIGHT - height),
        width: STEP - 2,
        height: rounded(height),
      });
    }),
  );
}

export interface BarRow {
  /** Of what is counted, with a link to it. */
  readonly label: Content;
  readonly value: number;
}

/** A table whose numbers are drawn too. */
export function barTable(table: {
  readonly caption: string;
  readonly head: string;
  readonly counted: string;
  readonly rows: readonly BarRow[];
  readonly bound: number;
  readonly empty: Content;
}): Element {
  const { caption, head, counted, rows, bound, empty } = table;
  const largest = Math.max(0, ...rows.map(({ value }) => value));
  return dataTable<BarRow>({
    caption,
    columns: [
      { head, cell: ({ label }) => label },
      {
        head: counted,
        cell: ({ value }) => [numberOf(value, bound), bar(value, largest)],
      },
    ],
    rows,
    empty,
  });
}

/** Hidden from screen readers: its number stands beside it. */
function bar(value: number, largest: number): Content {
  if (value === 0) return null;
  const width = Math.max(LOWEST, (value / largest) * 100);
  return h.svg(
    {
      class: 'bar-of',
      viewBox: '0 0 100 10',
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
    },
    h.rect({ width: rounded(width), height: 10 }),
  );
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
