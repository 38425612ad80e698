import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../../src/config/environment-table.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of Registrar's, as an operator runs it. */
export interface Program {
  readonly pid: number;
  /** All that it has printed, errors too. */
  output(): string;
  /** Polls the output for a pattern; throws with the output when the process ends without it. */
  says(pattern: RegExp, withinMs?: number): Promise<RegExpExecArray>;
  readonly exit: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
  /** Ends it for good, whatever it does. */
  kill(): Promise<void>;
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** All of its environment but PATH. */
  readonly env: Readonly<Record<string, string>>;
}

// Set and empty, which counts as not set: a developer's `.env` must not reach a test.
const BLANK = Object.fromEntries(
  VARIABLES.filter(({ name }) => /^\w+$/.test(name)).map(({ name }) => [name, '']),
);

/** PATH, and of Registrar's variables only those that are given. */
export function cleanEnvironment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], ...BLANK, ...env };
}

export function startProgram({ command, args, cwd, env }: ProgramOptions): Program {
  const child = spawn(command, args, {
    cwd,
    // Its own group, so that what is left of it can be found and ended.
    detached: true,
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let ended: Exit | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const exit = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      ended = { code, signal };
      resolve(ended);
    });
  });
  exit.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    output: () => text,
    exit,
    async says(pattern, withinMs = 60_000) {
      const deadline = Date.now() + withinMs;
      for (;;) {
        const found = pattern.exec(text);
        if (found) return found;
        if (ended || Date.now() > deadline) throw new Error(`${pattern} not in: ${text}`);
        await sleep(20);
      }
    },
    signal(signal) {
      if (!ended) child.kill(signal);
    },
    async kill() {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // Nothing of the group is left.
      }
      await exit;
    },
  };
}

/** A command of the README, run to its end: exit code and all that it printed. */
export async function run(options: ProgramOptions): Promise<{ code: number; output: string }> {
  const program = startProgram(options);
  const { code } = await program.exit;
  return { code: code ?? -1, output: program.output() };
}

/** One of Registrar's entries under `run.mjs`, away from the clone's `.env`. */
export function startEntry(
  entry: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): Program {
  const args = [`${REPOSITORY}run.mjs`, `${REPOSITORY}${entry}`, ...more];
  return startProgram({ command: process.execPath, args, cwd, env });
}

/** The same by its script, as an operator types it. */
export function startScript(script: string, env: Readonly<Record<string, string>>): Program {
  return startProgram({ command: 'npm', args: ['run', script], cwd: REPOSITORY, env });
}
