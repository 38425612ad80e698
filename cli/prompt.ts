import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';

/** Asks on stderr and reads lines of stdin: stdout stays free for the result. */
export class Prompt {
  /** A person types the answers; otherwise they come from a pipe, and nobody can correct them. */
  readonly isInteractive: boolean;
  readonly #input: Interface;
  readonly #lines: AsyncIterator<string, undefined>;
  #isShown = false;

  constructor() {
    this.isInteractive = isatty(process.stdin.fd);
    // With `terminal`, readline turns the echo of the terminal off and writes what is typed itself.
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (this.#isShown) process.stderr.write(chunk);
        done();
      },
    });
    const terminal = this.isInteractive;
    this.#input = createInterface({ input: process.stdin, output, terminal, historySize: 0 });
    this.#input.on('SIGINT', () => this.#input.close());
    this.#lines = this.#input[Symbol.asyncIterator]();
  }

  /** One line that is shown while it is typed. @throws when the input ends before */
  async shown(question: string): Promise<string> {
    this.#input.setPrompt(question);
    this.#isShown = this.isInteractive;
    if (this.isInteractive) this.#input.prompt();
    else process.stderr.write(`${question}\n`);
    try {
      return await this.#next();
    } finally {
      this.#isShown = false;
    }
  }

  /** One line that is not shown while it is typed. @throws when the input ends before */
  async hidden(question: string): Promise<string> {
    process.stderr.write(question);
    try {
      return await this.#next();
    } finally {
      process.stderr.write('\n');
    }
  }

  tell(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  close(): void {
    this.#input.close();
  }

  async #next(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done) throw new Error('The input ended before every question was answered.');
    return line.value;
  }
}
