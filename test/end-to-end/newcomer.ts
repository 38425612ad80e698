import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { anyFreePort } from '../../dev/stack/ports.ts';
import {
  type Program,
  type ProgramOptions,
  REPOSITORY,
  run,
  startProgram,
} from '../support/program.ts';
import { Terminal } from '../support/terminal.ts';
import { alive, familyOf } from './processes.ts';

export type Json = Record<string, unknown>;

export interface Started {
  readonly npm: Program;
  /** As printed. */
  readonly curl: string;
  readonly api: string;
  readonly tookMs: number;
}

// What may choose the Temporal program, as in the shared stack.
const KEPT = ['HOME', 'TEMPORAL_ADDRESS', 'TEMPORAL_CLI', 'REGISTRAR_CACHE'];
const ENDED_MS = 30_000;

/** Somebody with a clone, a terminal and a home of their own. */
export class Newcomer {
  readonly home: string;
  #running: Program | undefined;

  private constructor(home: string) {
    this.home = home;
  }

  static async arrive(): Promise<Newcomer> {
    const home = await mkdtemp(join(tmpdir(), 'registrar-start-'));
    await chmod(home, 0o755);
    // Ports as an earlier start left them: the usual ones may be a developer's.
    const parts = ['temporal', 'temporal-ui', 'postgres', 'cognito'];
    const ports = await Promise.all(parts.map(async (part) => [part, await anyFreePort()]));
    await writeFile(join(home, 'ports.json'), JSON.stringify(Object.fromEntries(ports)));
    return new Newcomer(home);
  }

  async leave(): Promise<void> {
    await this.#running?.kill();
    await rm(this.home, { recursive: true, force: true, maxRetries: 10 });
  }

  #npm(args: readonly string[], more: Record<string, string> = {}): ProgramOptions {
    const kept = Object.fromEntries(KEPT.map((name) => [name, process.env[name] ?? '']));
    const env = { ...kept, REGISTRAR_HOME: this.home, ...more };
    return { command: 'npm', args, cwd: REPOSITORY, env };
  }

  async npm(...args: string[]): Promise<{ code: number; output: string }> {
    return await run(this.#npm(args));
  }

  /** `npm start` that ends by itself. */
  async tryToStart(env = {}, args: readonly string[] = []) {
    return await run(this.#npm(['start', ...args], env));
  }

  /** `npm start`, until it prints what to paste. */
  async start(args: readonly string[] = [], env = {}): Promise<Started> {
    return await this.#started(this.#npm(['start', ...args], env));
  }

  /** The same, by a line of a document that ends in `npm start`. */
  async startBy(line: string, env = {}): Promise<Started> {
    return await this.#started({ ...this.#npm([], env), command: 'bash', args: ['-c', line] });
  }

  /** A second terminal in the clone. */
  openTerminal(env = {}): Terminal {
    return Terminal.open(this.#npm([], env));
  }

  async #started(options: ProgramOptions): Promise<Started> {
    const from = performance.now();
    const npm = startProgram(options);
    this.#running = npm;
    const [curl] = await npm.says(/^curl .*$/m, 100_000);
    const api = /http:\/\/[^/]+/.exec(curl)?.[0] ?? '';
    return { npm, curl, api, tookMs: performance.now() - from };
  }

  /** Runs what was printed, word for word, and asks for the status too. */
  async paste(curl: string): Promise<{ status: number; receipt: Json }> {
    const script = `${curl} -w '\\n%{http_code}'`;
    const cwd = this.home;
    const { output } = await run({ command: 'bash', args: ['-c', script], cwd, env: {} });
    const [body = '', status] = output.split('\n');
    return { status: Number(status), receipt: JSON.parse(body) as Json };
  }

  async token(...args: string[]): Promise<string> {
    const { code, output } = await this.npm('run', '--silent', 'token', '--', ...args);
    const line = output.split('\n').find((one) => one.startsWith('eyJ'));
    if (code !== 0 || line === undefined) throw new Error(`no token: ${output}`);
    return line.trim();
  }

  /** Of what runs, as the commands find them. */
  async settings(): Promise<Record<string, string>> {
    const file = join(this.home, 'stack.json');
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, string>;
  }

  /** Endpoint and pool of the sandbox, from where `npm run token` has them. */
  async sandbox(): Promise<{ endpoint: string; UserPoolId: string }> {
    const { COGNITO_ENDPOINT: endpoint = '', COGNITO_USER_POOL_ID: UserPoolId = '' } =
      await this.settings();
    return { endpoint, UserPoolId };
  }

  /** Ends it by a signal; answers what is left of it and of all that it started. */
  async end(started: Started, send: (npmPid: number) => void): Promise<string[]> {
    const family = await familyOf(started.npm.pid);
    if (family.length < 5) throw new Error(`too few processes: ${JSON.stringify(family)}`);
    send(started.npm.pid);
    await started.npm.exit;
    const deadline = Date.now() + ENDED_MS;
    for (;;) {
      const left = await alive(family);
      if (left.length === 0 || Date.now() > deadline) return left.map(({ command }) => command);
      await sleep(100);
    }
  }
}

export async function call(
  url: string,
  bearer: string,
  body?: unknown,
  method = body === undefined ? 'GET' : 'POST',
) {
  const answer = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Json };
}
