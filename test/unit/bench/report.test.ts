import { expect, test } from 'vitest';
import type { Result } from '../../bench/compare.ts';
import { grownCounts } from '../../bench/happy-path.ts';
import { figuresOf, type Round } from '../../bench/measure.ts';
import { comparisonText, markdown, plainText } from '../../bench/report.ts';
import { targetsOf } from '../../bench/targets.ts';

const writes = { commits: 30, walRecords: 300, walBytes: 3000 };

function round(ms: number, count: number): Round {
  const took = Array.from({ length: count }, () => ms);
  return {
    one: { took, seconds: 1 },
    many: { took, seconds: 2 },
    unfinished: 0,
    cpuMs: { api: 10 * count, ledger: 5 * count, temporal: 4 * count, temporalPostgres: count },
    ledger: writes,
    temporal: null,
  };
}

function result(contender: Result['contender'], ms: number, count: number): Result {
  const happyPath = { historyEvents: 6, billableActions: 2, ledgerCommits: 3 };
  return { contender, happyPath, ...figuresOf([round(ms, count)]) };
}

test('rounds count by their registrations, not each the same', () => {
  const { one, many, ledger, cpuMs } = figuresOf([round(10, 10), round(40, 20)]);
  expect([one.p50, one.p99]).toEqual([40, 40]);
  expect(many.perSecond).toBe(7.5);
  expect(ledger).toEqual({ commits: 2, walRecords: 20, walBytes: 200 });
  expect(cpuMs.api).toBe(10);
});

test('each goal says whether it is met', () => {
  const met = targetsOf([
    result('registrar', 20, 60),
    result('saga', 80, 20),
    result('empty', 16, 90),
  ]);
  expect(met.map(({ met: is }) => is)).toEqual([true, true, false, true, true]);
  expect(met.map(({ is }) => is)).toEqual([0.25, 3, 1, 10, 1.25]);
});

test('goals that need a contender which was not measured are left out', () => {
  expect(targetsOf([result('registrar', 20, 60)])).toEqual([]);
});

test('a count that has grown is named with its limit, and one that was not counted is no success', () => {
  const good = { historyEvents: 6, billableActions: 2, ledgerCommits: 3 };
  expect(grownCounts(good)).toEqual([]);
  expect(grownCounts({ ...good, historyEvents: 9, ledgerCommits: NaN })).toEqual([
    'history events on the happy path: 9, at most 6',
    'commits in the ledger on the happy path: NaN, at most 3',
  ]);
});

test('the goals are printed for the server only', () => {
  const results = [result('registrar', 20, 60), result('saga', 80, 20), result('empty', 16, 90)];
  const of = (engine: 'server' | 'dev-server') => comparisonText({ engine, title: 'T', results });
  expect(of('server')).toContain('not met');
  expect(of('dev-server')).not.toContain('met');
});

test('a table is aligned in a terminal, and Markdown in the document', () => {
  const table = [
    ['name', 'ms'],
    ['a', '1.0'],
  ];
  expect(plainText(table)).toBe('name   ms\na     1.0');
  expect(markdown(table)).toBe('| name | ms |\n| --- | --: |\n| a | 1.0 |');
});
