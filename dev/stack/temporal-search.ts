import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { buildTemporal, downloadTemporal } from './temporal-fetch.ts';
import { type Progress, reasonOf } from './progress.ts';

const run = promisify(execFile);

type Environment = Readonly<Record<string, string | undefined>>;

/** One way to a Temporal program: answers its path, or throws why it is none. */
export interface Source {
  readonly name: string;
  /** What this way needs, for the error when no way works. */
  readonly needs: string;
  find(): Promise<string>;
}

/** Where programs are kept that were fetched or built. */
export function cacheOf(env: Environment): string {
  return env['REGISTRAR_CACHE'] || join(homedir(), '.cache', 'registrar');
}

/** The ways of the contract, in its order; `TEMPORAL_ADDRESS` is dealt with before. */
export function sourcesOf(env: Environment, log: Progress): Source[] {
  const cache = cacheOf(env);
  const named = env['TEMPORAL_CLI'];
  return [
    {
      name: 'TEMPORAL_CLI',
      needs: 'the path of a Temporal CLI',
      find: async () => {
        if (!named) throw new Error('not set');
        return usable(named);
      },
    },
    {
      name: 'PATH',
      needs: 'a `temporal` on the PATH',
      find: async () => onPath('temporal', env),
    },
    {
      name: 'cache',
      needs: `a copy at ${join(cache, 'temporal')} (REGISTRAR_CACHE)`,
      find: async () => usable(join(cache, 'temporal')),
    },
    {
      name: 'download',
      needs: 'access to https://temporal.download',
      find: async () => usable(await downloadTemporal(cache, log)),
    },
    {
      name: 'go install',
      needs: 'Go on the PATH and a Go module proxy',
      find: async () =>
        usable(await buildTemporal(cache, await onPath('go', env, 'version'), env, log)),
    },
  ];
}

/**
 * The path of the first Temporal program that works. Throws one error that says what each
 * way needs and why it did not work.
 */
export async function findTemporal(sources: readonly Source[], log: Progress): Promise<string> {
  const failures: string[] = [];
  for (const source of sources) {
    try {
      return await source.find();
    } catch (error) {
      const reason = reasonOf(error);
      failures.push(`${source.name} needs ${source.needs}: ${reason}`);
      if (reason !== 'not set' && source.name === 'TEMPORAL_CLI') {
        log(`Temporal: TEMPORAL_CLI cannot be used (${reason}); trying other sources`);
      }
    }
  }
  const all = ['TEMPORAL_ADDRESS needs the address of a running Temporal: not set', ...failures];
  throw new Error(`no Temporal server found. Provide one of the following. ${all.join('; ')}`);
}

/** Throws unless the program runs here and is a Temporal CLI, or `go`. */
async function usable(path: string, question = '--version'): Promise<string> {
  await access(path, constants.X_OK).catch(() => {
    throw new Error(`no program at ${path}`);
  });
  const { stdout } = await run(path, [question], { timeout: 20_000 }).catch((error: unknown) => {
    throw new Error(`${path} does not run: ${reasonOf(error)}`);
  });
  const expected = question === '--version' ? /temporal/i : /^go version/;
  if (!expected.test(stdout)) throw new Error(`${path} is another program`);
  return path;
}

async function onPath(program: string, env: Environment, question?: string): Promise<string> {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, program);
    if (
      !(await access(path, constants.X_OK).then(
        () => true,
        () => false,
      ))
    )
      continue;
    return usable(path, question);
  }
  throw new Error('not on the PATH');
}
