import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { cleanEnvironment, type ProgramOptions } from './program.ts';

export interface Pasted {
  /** All that it printed, errors too. */
  readonly output: string;
  /** The exit code of each command that failed. */
  readonly failed: readonly number[];
}

/** Separates what is printed from the exit codes. */
const END = '\u001E';
const PASTE_MS = 120_000;

/** A shell that stays open: a block finds the variables and functions of the blocks before it. */
export class Terminal {
  readonly #shell: ChildProcessWithoutNullStreams;
  #printed = '';

  private constructor(shell: ChildProcessWithoutNullStreams) {
    this.#shell = shell;
    for (const stream of [shell.stdout, shell.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#printed += chunk;
      });
    }
    // A block may end the shell; `paste` says so.
    shell.stdin.on('error', () => undefined);
    shell.stdin.write(`trap 'failed+=" $?"' ERR\n`);
  }

  static open({ cwd, env }: Pick<ProgramOptions, 'cwd' | 'env'>): Terminal {
    const args = ['--noprofile', '--norc'];
    const options = { cwd, env: cleanEnvironment(env), detached: true };
    return new Terminal(spawn('bash', args, options));
  }

  /** Runs a block to its end.
   * @param typed lines for the commands of the block that read */
  async paste(block: string, typed?: string): Promise<Pasted> {
    const folder = await mkdtemp(join(tmpdir(), 'registrar-paste-'));
    const file = join(folder, 'block.sh');
    try {
      // From a file, so that no command of the block reads the rest of it as its input.
      // The last line keeps `.` from failing a second time with the last command.
      await writeFile(file, `${block}\n:\n`);
      this.#printed = '';
      // What is typed is a file too: a command may read more than it needs.
      const answers = join(folder, 'typed');
      await writeFile(answers, typed === undefined ? '' : `${typed}\n`);
      this.#shell.stdin.write(`failed=; . ${file} 2>&1 < ${answers}\n`);
      this.#shell.stdin.write(`printf '${END}%s${END}' "$failed"\n`);
      const ended = () => this.#printed.endsWith(END) || this.#shell.exitCode !== null;
      await eventually(ended, PASTE_MS).catch(() => {
        throw new Error(`no end in ${PASTE_MS} ms: ${block}\n${this.#printed}`);
      });
      const [output = '', codes] = this.#printed.split(END);
      if (codes === undefined) throw new Error(`the shell has ended: ${block}\n${output}`);
      return { output, failed: codes.split(' ').filter(Boolean).map(Number) };
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async close(): Promise<void> {
    if (this.#shell.exitCode !== null) return;
    const exit = once(this.#shell, 'exit');
    process.kill(-(this.#shell.pid ?? 0), 'SIGKILL');
    await exit;
  }
}
