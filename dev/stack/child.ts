import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { stateError } from './state-error.ts';

export interface ChildOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly logFile: string;
  /** The signal this program takes as "finish what you do and end". */
  readonly stopSignal: 'TERM' | 'INT';
}

export interface Child {
  readonly name: string;
  /** Id of the process group: the program and the shell that guards it. */
  readonly pid: number;
  /** True once the program has ended, wanted or not. */
  ended(): boolean;
  /** Its exit code, once it has ended by itself; null when it was killed. */
  exit(): Promise<number | null>;
  /** Resolves when it has ended by itself: neither stopped nor killed by us. */
  readonly endedByItself: Promise<void>;
  /** Asks it to end, waits, and kills its group when it has not ended after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  /** Kills its group at once. */
  kill(): void;
}

// The guard reads a pipe that only we hold: it ends when we do, even by kill -9, and then
// the program is told to end. A group of its own keeps the terminal's Ctrl-C from it.
const GUARD = `exec 3<&0
signal=$1; shift
"$@" </dev/null 3<&- &
program=$!
(read -r _ <&3; kill -s "$signal" "$program") 2>/dev/null &
watcher=$!
exec 3<&- </dev/null
wait "$program"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"`;

/** Starts a program that cannot outlive this process. Throws what spawning throws. */
export function startChild(options: ChildOptions): Child {
  const log = openLog(options.logFile);
  const guard = spawn(
    '/bin/sh',
    ['-c', GUARD, 'registrar', options.stopSignal, options.command, ...options.args],
    {
      detached: true,
      stdio: ['pipe', log, log],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    },
  );
  closeSync(log);
  let ended = false;
  let wanted = false;
  const byItself = Promise.withResolvers<void>();
  const exited = new Promise<number | null>((resolve) => {
    const end = (code: number | null): void => {
      ended = true;
      if (!wanted) byItself.resolve();
      resolve(code);
    };
    guard.once('exit', end);
    guard.once('error', () => end(null));
  });
  guard.stdin?.on('error', () => {});
  // Neither the process nor its pipe may keep us alive: whoever starts a child also stops it.
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  const pid = guard.pid ?? 0;
  const kill = (): void => {
    wanted = true;
    if (pid > 0) signalGroup(pid, 'SIGKILL');
  };
  return {
    name: options.name,
    pid,
    ended: () => ended,
    async exit() {
      guard.ref();
      return await exited;
    },
    endedByItself: byItself.promise,
    kill,
    async stop(graceMs = 10_000) {
      wanted = true;
      guard.ref();
      guard.stdin?.end();
      const timer = setTimeout(kill, graceMs);
      await exited;
      clearTimeout(timer);
      kill();
    },
  };
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing of the group is left.
  }
}

/** Of this run only: a log that grows over years helps nobody on a laptop. */
function openLog(file: string): number {
  try {
    return openSync(file, 'w', 0o600);
  } catch (error) {
    throw stateError(file, error);
  }
}

/** The last lines of a log, for an error that names its cause. */
export async function tailOf(logFile: string, lines = 3): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join(' | ');
}
