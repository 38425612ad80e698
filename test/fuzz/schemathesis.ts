import { spawn, type SpawnOptions } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheOf } from '../../dev/stack/temporal-search.ts';
import type { Target } from './target.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const REQUIREMENTS = join(HERE, 'requirements.txt');
const CONFIG = join(HERE, 'schemathesis.toml');
/** Of a run that takes about two minutes where two cores are busy with other things. */
const LONGEST_RUN_MS = 10 * 60_000;
const NEEDS =
  'Schemathesis needs Python 3.11 or newer with venv (Debian: python3-venv) and access to PyPI';

/** The folder of Schemathesis's programs, in the cache: made once for each requirements.txt.
 * @throws one line that says what is needed */
export async function installSchemathesis(print: (line: string) => void): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex');
  const venv = join(cacheOf(process.env), `schemathesis-${digest.slice(0, 12)}`);
  const bin = join(venv, 'bin');
  const whole = join(venv, 'whole');
  if (await isThere(whole)) return bin;
  print('Schemathesis: installing');
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet'];
  const made = await run('python3', ['-m', 'venv', '--clear', venv]).catch(() => -1);
  const installed =
    made === 0 &&
    (await run(join(bin, 'python'), [...pip, '--require-hashes', '-r', REQUIREMENTS])) === 0;
  if (!installed) throw new Error(NEEDS);
  await writeFile(whole, '');
  return bin;
}

/** @returns the exit code; 0 when every check held */
export async function runSchemathesis(
  bin: string,
  { url, token, otherToken }: Pick<Target, 'url' | 'token' | 'otherToken'>,
  args: readonly string[],
): Promise<number> {
  const command = ['--config-file', CONFIG, 'run', `${url}/openapi.json`, ...args];
  // It leaves notes for its next run where it stands.
  const cwd = await mkdtemp(join(tmpdir(), 'registrar-fuzz-notes-'));
  try {
    const env = {
      ...process.env,
      REGISTRAR_TOKEN: token,
      REGISTRAR_OTHER_TOKEN: otherToken,
      PYTHONPATH: HERE,
      PYTHONDONTWRITEBYTECODE: '1',
    };
    return await run(join(bin, 'schemathesis'), command, { cwd, env, timeout: LONGEST_RUN_MS });
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<number> {
  const child = spawn(command, args, { ...options, stdio: 'inherit' });
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
