import { execFile } from 'node:child_process';
import { access, chmod, cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Progress } from '../../dev/stack/progress.ts';
import { runQuietly } from '../../dev/stack/temporal-fetch.ts';
import { cacheOf } from '../../dev/stack/temporal-search.ts';

const run = promisify(execFile);
const MODULE = 'go.temporal.io/server';

/** What the images `temporalio/server` and `temporalio/admin-tools` hold. */
export interface TemporalServer {
  readonly server: string;
  readonly sqlTool: string;
  /** Folder of `postgresql/v12/…`. */
  readonly schema: string;
}

/** The real server of this version from the user's cache, built with Go into it when missing. */
export async function findTemporalServer(
  version: string,
  env: Readonly<Record<string, string | undefined>>,
  log: Progress,
): Promise<TemporalServer> {
  const cache = cacheOf(env);
  const place = join(cache, `temporal-server-${version}`);
  const found = {
    server: join(place, 'server'),
    sqlTool: join(place, 'sql'),
    schema: join(place, 'schema'),
  };
  const isThere = await access(place).then(
    () => true,
    () => false,
  );
  if (isThere) return found;
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'draft-'));
  try {
    await build(version, draft, log);
    await chmod(draft, 0o755);
    await rename(draft, place);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return found;
}

async function build(version: string, draft: string, log: Progress): Promise<void> {
  const packages = ['server', 'tools/sql'].map((name) => `${MODULE}/cmd/${name}@v${version}`);
  log(`Temporal: building \`go install ${packages.join(' ')}\`, several minutes the first time`);
  await runQuietly('go', ['install', ...packages], { GOBIN: draft, GOFLAGS: '' });
  const { stdout } = await run('go', ['env', 'GOMODCACHE']);
  const source = join(stdout.trim(), `${MODULE}@v${version}`, 'schema');
  await cp(source, join(draft, 'schema'), { recursive: true });
  // Go keeps its modules read-only, and a cache is there to be removed.
  await runQuietly('chmod', ['-R', 'u+w', join(draft, 'schema')], {});
}
