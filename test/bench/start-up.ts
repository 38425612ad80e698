import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startScript } from '../support/program.ts';

export interface StartUpResult {
  /** Until `npm start` says that it runs, in s. */
  readonly firstSeconds: number;
  /** The same once the state of the first start is there. */
  readonly againSeconds: readonly number[];
}

const REPEATS = 3;
const STOP_MS = 30_000;

/** `npm start` in a new folder, and then again over what it has made. */
export async function measureStartUp(): Promise<StartUpResult> {
  const home = await mkdtemp(join(tmpdir(), 'registrar-start-up-'));
  await chmod(home, 0o755);
  try {
    const firstSeconds = await startOnce(home);
    const againSeconds: number[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat += 1) againSeconds.push(await startOnce(home));
    return { firstSeconds, againSeconds };
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function startOnce(home: string): Promise<number> {
  const from = performance.now();
  // HOME: where a Temporal that was built is kept.
  const program = startScript('start', { HOME: homedir(), REGISTRAR_HOME: home });
  try {
    await program.says(/^Registrar is running\.$/m, 600_000);
    const seconds = (performance.now() - from) / 1000;
    program.signal('SIGINT');
    await Promise.race([
      program.exit,
      new Promise((_, reject) => {
        setTimeout(() => reject(new Error('npm start does not stop')), STOP_MS).unref();
      }),
    ]);
    return seconds;
  } finally {
    await program.kill();
  }
}
