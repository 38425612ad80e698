import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from './eventually.ts';
import { cleanEnvironment } from './program.ts';

const ANSWER_MS = 60_000;

/** A shell command at a pseudo-terminal, with somebody who reads and types. */
export interface PseudoTerminal {
  /** Waits for a text after everything that was read before. */
  reads(text: string): Promise<void>;
  types(text: string): void;
  /** The exit code. */
  ends(): Promise<number | null>;
  /** Everything that the screen showed. */
  screen(): string;
}

/** `script` of util-linux gives the command a terminal that echoes what is typed. */
export function openPseudoTerminal(
  command: string,
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string>> },
): PseudoTerminal {
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd,
    env: cleanEnvironment(env),
  });
  let shown = '';
  let read = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      shown += chunk;
    });
  }
  const exit = once(child, 'exit');
  return {
    reads: async (text) => {
      const found = () => shown.indexOf(text, read);
      await eventually(() => found() >= 0 || child.exitCode !== null, ANSWER_MS);
      if (found() < 0) throw new Error(`ended without "${text}": ${shown}`);
      read = found() + text.length;
    },
    types: (text) => void child.stdin.write(text),
    ends: async () => {
      const [code] = (await exit) as [number | null];
      return code;
    },
    screen: () => shown,
  };
}
