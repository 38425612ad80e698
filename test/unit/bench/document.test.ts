import { expect, test } from 'vitest';
import { updated } from '../../../dev/reference.ts';
import type { Comparison, Result } from '../../bench/compare.ts';
import {
  agedSections,
  comparisonSections,
  memorySections,
  startUpSections,
} from '../../bench/document.ts';
import { readSource } from '../architecture/source.ts';

const times = { p50: 10, p99: 20, perSecond: 30, registrations: 40 };
const writes = { commits: 3, walRecords: 50, walBytes: 6000 };
const figures = {
  one: times,
  many: times,
  unfinished: 0,
  cpuMs: { api: 1, ledger: 2, temporal: 3, temporalPostgres: 4 },
  ledger: writes,
  temporal: writes,
};
const happyPath = { historyEvents: 6, billableActions: 2, ledgerCommits: 3 };
const results = (['registrar', 'saga', 'empty', 'direct'] as const).map((contender): Result => ({
  contender,
  happyPath,
  ...figures,
}));
const comparison = (engine: Comparison['engine']) => ({ engine, title: engine, results });

test.each([
  ['the comparison on the server', comparisonSections(comparison('server')), '| a second'],
  ['the comparison on the dev server', comparisonSections(comparison('dev-server')), '| a second'],
  [
    'the old ledger',
    agedSections({
      title: 'server',
      empty: figures,
      aged: figures,
      catchingUp: figures,
      queries: [{ name: 'a page', p50: 1, p99: 2 }],
    }),
    '| a page | 1.0 | 2.0 |',
  ],
  [
    'memory',
    memorySections({ title: 'server', samples: [{ registrations: 1000, mib: 200 }] }),
    '| 1000 | 200 |',
  ],
  ['start-up', startUpSections({ firstSeconds: 9, againSeconds: [3, 4] }), 'after 3.0, 4.0 s'],
])('docs/performance.md has a place for %s', async (_name, sections, figure) => {
  const { text } = await readSource('docs/performance.md');
  const written = updated(text, sections);
  expect(Object.values(sections).join('\n')).toContain(figure);
  for (const section of Object.values(sections)) expect(written).toContain(section);
  expect(written).toMatch(/Measured on \d{4}-\d\d-\d\d on one machine/);
});
