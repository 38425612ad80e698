import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { updated } from '../../dev/reference.ts';
import { REPOSITORY } from '../support/program.ts';
import type { AgedResult } from './aged.ts';
import { chartOf } from './chart.ts';
import type { Comparison } from './compare.ts';
import { DESCRIPTIONS } from './contenders.ts';
import type { MemoryResult } from './memory.ts';
import {
  agedTable,
  comparisonTable,
  markdown,
  memoryTable,
  queryTable,
  targetTable,
} from './report.ts';
import type { StartUpResult } from './start-up.ts';
import { targetsOf } from './targets.ts';

const PAGE = `${REPOSITORY}docs/performance.md`;
const CHART = `${REPOSITORY}docs/images/performance.svg`;

/** Sections of docs/performance.md between their markers, by name. */
export type Sections = Readonly<Record<string, string>>;

/** Writes the sections that were measured; the others stay. */
export async function writeSections(sections: Sections): Promise<void> {
  await writeFile(PAGE, updated(await readFile(PAGE, 'utf8'), sections));
}

export async function writeChart(comparison: Comparison): Promise<void> {
  await mkdir(`${REPOSITORY}docs/images`, { recursive: true });
  await writeFile(CHART, comparisonChart(comparison));
}

export function comparisonSections(comparison: Comparison): Sections {
  const table = section(`${on(comparison.title)}\n\n${markdown(comparisonTable(comparison))}`);
  if (comparison.engine === 'dev-server') return { 'bench-dev-server': table };
  const goals = section(markdown(targetTable(targetsOf(comparison.results))));
  return { 'bench-server': table, 'bench-goals': goals };
}

export function agedSections(result: AgedResult): Sections {
  const tables = [markdown(agedTable(result)), markdown(queryTable(result.queries))];
  return { 'bench-aged': section([on(result.title), ...tables].join('\n\n')) };
}

export function memorySections(result: MemoryResult): Sections {
  return { 'bench-memory': section(`${on(result.title)}\n\n${markdown(memoryTable(result))}`) };
}

export function startUpSections({ firstSeconds, againSeconds }: StartUpResult): Sections {
  const again = againSeconds.map((seconds) => seconds.toFixed(1)).join(', ');
  const text = `\`npm start\` was ready after ${firstSeconds.toFixed(1)} s in a new folder, and after ${again} s when started again over its state.`;
  return { 'bench-start-up': section(`${on()}\n\n${text}`) };
}

function comparisonChart({ results }: Comparison): string {
  const bars = (partsOf: (result: (typeof results)[number]) => readonly number[]) =>
    results.map((result) => ({
      label: DESCRIPTIONS[result.contender].title,
      parts: partsOf(result),
    }));
  return chartOf([
    {
      title: 'Time to 201 by one caller, p50, in ms',
      parts: [''],
      bars: bars(({ one }) => [one.p50]),
      digits: 0,
    },
    {
      title: 'Registrations a second by 32 callers',
      parts: [''],
      bars: bars(({ many }) => [many.perSecond]),
      digits: 0,
    },
    {
      title: 'CPU per registration at 32 callers, in ms',
      parts: ['API and worker', 'PostgreSQL, ledger', 'Temporal', 'PostgreSQL, Temporal'],
      bars: bars(({ cpuMs: { api, ledger, temporal, temporalPostgres } }) => [
        api,
        ledger,
        temporal,
        temporalPostgres,
      ]),
      digits: 1,
    },
  ]);
}

function section(text: string): string {
  return `\n${text}\n\n`;
}

/** What was measured on what. */
function on(title?: string): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const machine = `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${memory} GiB, Node ${process.versions.node}`;
  const day = new Date().toISOString().slice(0, 10);
  return `${title === undefined ? '' : `${title}. `}Measured on ${day} on one machine with ${machine}.`;
}
