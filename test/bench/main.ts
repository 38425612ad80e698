// `npm run bench`: Registrar beside the saga of Temporal's samples, an empty workflow and no engine,
// on a real Temporal over PostgreSQL and on the dev server. docs/performance.md says how to read it.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printError, printLine, reasonOf } from '../../dev/stack/progress.ts';
import { compareAged } from './aged.ts';
import { compareOn, type Comparison } from './compare.ts';
import {
  agedSections,
  comparisonSections,
  memorySections,
  startUpSections,
  writeChart,
  writeSections,
} from './document.ts';
import type { EngineName } from './engines.ts';
import { grownCounts } from './happy-path.ts';
import { measureMemory } from './memory.ts';
import { type Options, parseOptions } from './options.ts';
import { agedTable, comparisonText, plainText, queryTable } from './report.ts';
import { type Site, startSite } from './site.ts';
import { measureStartUp } from './start-up.ts';

/** What undoes the benchmark, the last first. */
const undo: (() => Promise<unknown>)[] = [];

async function openSite(): Promise<Site> {
  const home = await mkdtemp(join(tmpdir(), 'registrar-bench-'));
  undo.push(() => rm(home, { recursive: true, force: true, maxRetries: 10 }));
  // PostgreSQL does not run as root: its user must be able to enter.
  await chmod(home, 0o755);
  const site = await startSite(home);
  undo.push(() => site.stop());
  return site;
}

/** Answers what must not be, one line each. */
async function compare(options: Options): Promise<string[]> {
  const site = await openSite();
  const comparisons: Comparison[] = [];
  for (const engine of options.engines) {
    comparisons.push(await compareOn(engine, site, options, printLine));
  }
  for (const comparison of comparisons) {
    printLine(comparisonText(comparison));
    if (!options.write) continue;
    await writeSections(comparisonSections(comparison));
    if (comparison.engine === 'server') await writeChart(comparison);
  }
  return comparisons.flatMap(({ title, results }) =>
    results
      .filter(({ contender }) => contender === 'registrar')
      .flatMap(({ happyPath }) => grownCounts(happyPath).map((line) => `${title}: ${line}`)),
  );
}

async function aged(engine: EngineName, options: Options): Promise<void> {
  const result = await compareAged(engine, await openSite(), options, printLine);
  printLine(`\n${result.title}\n${plainText(agedTable(result))}`);
  printLine(`\n${plainText(queryTable(result.queries))}`);
  if (options.write) await writeSections(agedSections(result));
}

async function memory(engine: EngineName, { write }: Options): Promise<void> {
  const result = await measureMemory(engine, await openSite(), printLine);
  if (write) await writeSections(memorySections(result));
}

async function startUp({ write }: Options): Promise<void> {
  const result = await measureStartUp();
  const again = result.againSeconds.map((seconds) => `${seconds.toFixed(1)} s`).join(', ');
  printLine(`npm start: first ${result.firstSeconds.toFixed(1)} s, then ${again}`);
  if (write) await writeSections(startUpSections(result));
}

async function bench(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const [engine = 'server'] = options.engines;
  if (options.what === 'aged') return await aged(engine, options);
  if (options.what === 'memory') return await memory(engine, options);
  if (options.what === 'start-up') return await startUp(options);
  const findings = await compare(options);
  if (findings.length > 0) throw new Error(findings.join('\n'));
}

async function stopped(): Promise<never> {
  return await new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => reject(new Error(signal)));
    }
  });
}

try {
  await Promise.race([bench(), stopped()]);
} catch (error) {
  printError(`bench: ${error instanceof Error ? error.message : reasonOf(error)}`);
  process.exitCode = 1;
} finally {
  for (const step of undo.toReversed()) {
    await step().catch((error: unknown) => printError(`bench: ${reasonOf(error)}`));
  }
}
process.exit();
