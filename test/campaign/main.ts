// `npm run campaign`: seeded random registrations against a whole Registrar, with everything that can
// go wrong going wrong, and a look at what came of it. A seed decides what happens and when.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { printError, printLine, reasonOf } from '../../dev/stack/progress.ts';
import { type Stack, startStack } from '../../dev/stack/stack.ts';
import { type Options, parseOptions } from './options.ts';
import { planOf } from './plan.ts';
import { runSeed, type SeedReport } from './seed.ts';

// A database or a pool of the developer's shell must never meet this.
const KEPT = ['PATH', 'HOME', 'TEMPORAL_ADDRESS', 'TEMPORAL_CLI', 'REGISTRAR_CACHE'];
/** Of one seed; it takes two minutes where the machine has nothing else to do. */
const LONGEST_MS = 8 * 60_000;

/** What undoes the campaign, the last first. */
const undo: (() => Promise<unknown>)[] = [];

async function campaign({ seeds, registrations, atOnce, verbose }: Options): Promise<boolean> {
  const home = await mkdtemp(join(tmpdir(), 'registrar-campaign-'));
  undo.push(() => rm(home, { recursive: true, force: true, maxRetries: 10 }));
  // PostgreSQL does not run as root: its user must be able to enter.
  await chmod(home, 0o755);
  const env = Object.fromEntries(KEPT.map((name) => [name, process.env[name]]));
  const stack = await startStack({ home, env, log: printLine, ephemeral: true });
  undo.push(() => stack.stop());
  Object.assign(process.env, stack.env);
  // What the SDK has to say of a run that does not replay comes back as a finding.
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
  });
  const left = [...seeds];
  let agrees = true;
  const line = async (): Promise<void> => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      const again = `again: npm run campaign -- --seeds ${seed} --registrations ${registrations}`;
      try {
        const report = await oneSeed(stack, home, seed, registrations);
        if (report.findings.length === 0) continue;
        agrees = false;
        tell(report, verbose);
        printError(`  ${again}`);
      } catch (error) {
        throw new Error(`seed ${seed}: ${reasonOf(error)}; ${again}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, seeds.length) }, line));
  return agrees;
}

async function oneSeed(
  stack: Stack,
  home: string,
  seed: number,
  registrations: number,
): Promise<SeedReport> {
  printLine(`seed ${seed}: ${registrations} registrations`);
  const report = await runSeed(stack, home, planOf(seed, registrations));
  printLine(
    [
      `seed ${seed}: ${report.findings.length} findings in ${Math.round(report.tookMs / 1000)} s`,
      `  ended     ${listed(counted(report.world.rows.map(({ status }) => status)))}`,
      `  happened  ${listed(report.happened)}`,
      `  trail     ${listed(counted(report.world.trail.map(({ event }) => event)))}`,
    ].join('\n'),
  );
  return report;
}

function counted(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const listed = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([what, count]) => `${count} ${what}`).join(', ');

function tell({ findings, details }: SeedReport, verbose: boolean): void {
  for (const { kind, text, registrationId } of findings) {
    printError(`  ${kind}: ${text}${registrationId === null ? '' : ` (${registrationId})`}`);
  }
  if (verbose) for (const text of details.values()) printError(text);
}

async function stopped({ seeds, atOnce }: Options): Promise<never> {
  const longestMs = Math.ceil(seeds.length / atOnce) * LONGEST_MS;
  return await new Promise((_, reject) => {
    const end = (why: string): void => reject(new Error(why));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(signal));
    setTimeout(() => end(`not done after ${longestMs / 60_000} minutes`), longestMs).unref();
  });
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (await Promise.race([campaign(options), stopped(options)])) printLine('Everything agrees.');
  else process.exitCode = 2;
} catch (error) {
  printError(`campaign: ${reasonOf(error)}`);
  process.exitCode = 1;
} finally {
  for (const step of undo.toReversed()) {
    await step().catch((error: unknown) => printError(`campaign: ${reasonOf(error)}`));
  }
}
process.exit();
