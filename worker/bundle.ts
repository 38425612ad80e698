import { createHash, randomUUID } from 'node:crypto';
import { glob, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  type BundleOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Whatever the bundle is made of: what workflows may import, and the packages by the lock file. */
const SOURCES = ['workflows/**', 'src/domain/**', 'activities/contract.ts', 'worker/bundle.ts'];
const LOCK_FILE = 'package-lock.json';
const CACHE = `${ROOT}node_modules/.cache/registrar/`;

let bundled: Promise<WorkflowBundleWithSourceMap> | undefined;

/** What a process adds to its workflows: the interceptors of tracing, or nothing. */
export type BundlePlugins = NonNullable<BundleOptions['plugins']>;

/** The workflows as one script for the sandbox, of one kind in a process. Bundling takes two seconds and 200 MB, so the result
 * is kept beside the packages for the next process, for as long as nothing in it changes. */
export function workflowBundle(plugins: BundlePlugins = []): Promise<WorkflowBundleWithSourceMap> {
  bundled ??= keptBundle(plugins).catch((error: unknown) => {
    // A disk that was full for a moment must not be remembered: the next attempt bundles anew.
    bundled = undefined;
    throw error;
  });
  return bundled;
}

/** The bundle of this kind that is kept beside the packages; one that is missing is made and kept. */
export async function keptBundle(
  plugins: BundlePlugins = [],
): Promise<WorkflowBundleWithSourceMap> {
  const name = plugins.length === 0 ? 'workflow-bundle' : 'workflow-bundle-traced';
  return await cachedOrBundled(`${CACHE}${name}.json`, plugins);
}

/** @param cache file of the last bundle; one that is missing, old or damaged is written anew */
export async function cachedOrBundled(
  cache: string,
  plugins: BundlePlugins = [],
): Promise<WorkflowBundleWithSourceMap> {
  const key = await keyOfSources();
  const cached = await read(cache, key);
  if (cached) return cached;
  const { code, sourceMap } = await bundle(plugins);
  await write(cache, JSON.stringify({ key, code, sourceMap }));
  return { code, sourceMap };
}

async function keyOfSources(): Promise<string> {
  const files = [LOCK_FILE];
  for await (const file of glob(SOURCES, { cwd: ROOT, withFileTypes: true })) {
    if (file.isFile()) files.push(`${file.parentPath}/${file.name}`.slice(ROOT.length));
  }
  const hash = createHash('sha256');
  for (const file of files.toSorted()) {
    // The length keeps the end of one file apart from the start of the next.
    const text = await readFile(`${ROOT}${file}`);
    hash.update(`${file} ${text.length}\n`).update(text);
  }
  return hash.digest('hex');
}

async function read(cache: string, key: string): Promise<WorkflowBundleWithSourceMap | null> {
  try {
    const found: unknown = JSON.parse(await readFile(cache, 'utf8'));
    if (typeof found !== 'object' || found === null) return null;
    if (!('key' in found && 'code' in found && 'sourceMap' in found) || found.key !== key)
      return null;
    const { code, sourceMap } = found;
    return typeof code === 'string' && typeof sourceMap === 'string' ? { code, sourceMap } : null;
  } catch {
    return null;
  }
}

/** Several processes may do so at once, and a read-only image keeps nothing. */
async function write(cache: string, text: string): Promise<void> {
  const draft = `${cache}.${randomUUID()}`;
  try {
    await mkdir(dirname(cache), { recursive: true });
    await writeFile(draft, text);
    await rename(draft, cache);
  } catch {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

async function bundle(plugins: BundlePlugins): Promise<WorkflowBundleWithSourceMap> {
  return await bundleWorkflowCode({
    plugins,
    workflowsPath: `${ROOT}workflows/index.ts`,
    logger: {
      log: ignore,
      trace: ignore,
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: ignore,
    },
  });
}

// A bundle that fails throws; what it says on the way is noise.
function ignore(): void {}
