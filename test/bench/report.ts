import { DESCRIPTIONS } from './contenders.ts';
import type { AgedResult } from './aged.ts';
import type { Comparison, Result } from './compare.ts';
import type { Figures } from './measure.ts';
import type { MemoryResult } from './memory.ts';
import type { QueryTimes } from './page-queries.ts';
import { type Target, targetsOf, totalCpuMs } from './targets.ts';

/** Rows of text; the first is the head. */
export type Table = readonly (readonly string[])[];

const NONE = '–';
const number = (value: number, digits = 0): string => value.toFixed(digits);

/** What is shown of a contender, in this order. */
const ROWS: readonly (readonly [string, (result: Result) => string])[] = [
  ['p50, 1 caller (ms)', ({ one }) => number(one.p50, 1)],
  ['p99, 1 caller (ms)', ({ one }) => number(one.p99, 1)],
  ['a second, 1 caller', ({ one }) => number(one.perSecond)],
  ['p50, 32 callers (ms)', ({ many }) => number(many.p50)],
  ['p99, 32 callers (ms)', ({ many }) => number(many.p99)],
  ['a second, 32 callers', ({ many }) => number(many.perSecond)],
  ['CPU: API and worker (ms)', ({ cpuMs }) => number(cpuMs.api, 1)],
  ['CPU: PostgreSQL of the ledger (ms)', ({ cpuMs }) => number(cpuMs.ledger, 1)],
  ['CPU: Temporal (ms)', ({ cpuMs }) => number(cpuMs.temporal, 1)],
  [
    "CPU: Temporal's PostgreSQL (ms)",
    ({ cpuMs, temporal }) => (temporal ? number(cpuMs.temporalPostgres, 1) : NONE),
  ],
  ['CPU: total (ms)', ({ cpuMs }) => number(totalCpuMs(cpuMs), 1)],
  ['commits in the ledger', ({ happyPath }) => number(happyPath.ledgerCommits)],
  ['WAL records of the ledger', ({ ledger }) => number(ledger.walRecords)],
  ['WAL of the ledger (KiB)', ({ ledger }) => number(ledger.walBytes / 1024, 1)],
  [
    "commits in Temporal's database",
    ({ temporal }) => (temporal ? number(temporal.commits, 1) : NONE),
  ],
  [
    "WAL records of Temporal's database",
    ({ temporal }) => (temporal ? number(temporal.walRecords) : NONE),
  ],
  ['history events', ({ happyPath }) => number(happyPath.historyEvents)],
  ['billable actions', ({ happyPath }) => number(happyPath.billableActions)],
];

export function comparisonTable({ results }: Comparison): Table {
  const head = ['per registration', ...results.map((one) => DESCRIPTIONS[one.contender].title)];
  return [head, ...ROWS.map(([name, show]) => [name, ...results.map(show)])];
}

export function targetTable(targets: readonly Target[]): Table {
  return [
    ['goal', 'measured', ''],
    ...targets.map(({ goal, is, met }) => [goal, number(is, 2), met ? 'met' : 'not met']),
  ];
}

export function agedTable({ empty, aged, catchingUp }: AgedResult): Table {
  const ratio = (of: (figures: Figures) => number): string =>
    of(empty) === 0 ? NONE : number(of(aged) / of(empty), 2);
  const row = (name: string, of: (figures: Figures) => number): readonly string[] => [
    name,
    number(of(empty), 1),
    number(of(aged), 1),
    ratio(of),
    number(of(catchingUp), 1),
  ];
  return [
    ['per registration', 'empty ledger', 'old ledger', 'ratio', 'old, lost runs being restarted'],
    row('p50, 1 caller (ms)', ({ one }) => one.p50),
    row('p99, 1 caller (ms)', ({ one }) => one.p99),
    row('p50, 32 callers (ms)', ({ many }) => many.p50),
    row('p99, 32 callers (ms)', ({ many }) => many.p99),
    row('a second, 32 callers', ({ many }) => many.perSecond),
    row('CPU: API and worker (ms)', ({ cpuMs }) => cpuMs.api),
    row('CPU: PostgreSQL of the ledger (ms)', ({ cpuMs }) => cpuMs.ledger),
    row('CPU: total (ms)', ({ cpuMs }) => totalCpuMs(cpuMs)),
    row('refused, or not completed within 30 s', ({ unfinished }) => unfinished),
  ];
}

export function queryTable(queries: readonly QueryTimes[]): Table {
  return [
    ['50 of', 'p50 (ms)', 'p99 (ms)'],
    ...queries.map(({ name, p50, p99 }) => [name, number(p50, 1), number(p99, 1)]),
  ];
}

export function memoryTable({ samples }: MemoryResult): Table {
  return [
    ['registrations', 'resident memory (MiB)'],
    ...samples.map(({ registrations, mib }) => [String(registrations), number(mib)]),
  ];
}

/** The same for a terminal: numbers right-aligned in columns. */
export function plainText(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  return table
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function markdown([head = [], ...rows]: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (column === 0 ? '---' : '--:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** What `npm run bench` prints of one engine. */
export function comparisonText(comparison: Comparison): string {
  const targets = comparison.engine === 'server' ? targetsOf(comparison.results) : [];
  const unfinished = comparison.results.filter((result) => result.unfinished > 0);
  return [
    '',
    comparison.title,
    plainText(comparisonTable(comparison)),
    ...unfinished.map(
      (result) =>
        `${DESCRIPTIONS[result.contender].title}: ${result.unfinished} refused, or not completed within 30 s`,
    ),
    ...(targets.length > 0 ? ['', plainText(targetTable(targets))] : []),
  ].join('\n');
}
