import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, startChild, tailOf } from '../../dev/stack/child.ts';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { reasonOf } from '../../dev/stack/progress.ts';
import { VARIABLES } from '../../src/config/environment-table.ts';
import { healthy } from '../compose/parts.ts';
import { REPOSITORY } from '../support/program.ts';

const PINO_ERROR = 50;
/** A worker bundles its workflows first, and a busy machine takes its time. */
const HEALTHY_MS = 120_000;

/** An API with a worker in it, an API that Temporal is away from, and a worker. */
export type ProcessName = 'api' | 'withoutTemporal' | 'worker';

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly step?: unknown;
  readonly error?: unknown;
}

/** Registrar's processes, which end when this one does. */
export class Processes {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #ports: Readonly<Record<ProcessName | 'nobody', number>>;
  readonly #running = new Map<ProcessName, Child>();
  readonly #logs: string[] = [];

  private constructor(
    folder: string,
    env: Readonly<Record<string, string>>,
    ports: Readonly<Record<ProcessName | 'nobody', number>>,
  ) {
    this.#folder = folder;
    this.#env = env;
    this.#ports = ports;
  }

  /** @param folder of their logs
   * @param env what all of them have */
  static async start(folder: string, env: Readonly<Record<string, string>>): Promise<Processes> {
    const processes = new Processes(folder, env, {
      api: await anyFreePort(),
      withoutTemporal: await anyFreePort(),
      worker: await anyFreePort(),
      // Where `withoutTemporal` looks for Temporal.
      nobody: await anyFreePort(),
    });
    try {
      const names = ['api', 'withoutTemporal', 'worker'] as const;
      await Promise.all(names.map((name) => processes.#start(name)));
      return processes;
    } catch (error) {
      await processes.stop();
      throw error;
    }
  }

  /** Base address of a process; it stays the same when the process is started again. */
  urlOf(name: ProcessName): string {
    return `http://127.0.0.1:${this.#ports[name]}`;
  }

  async #start(name: ProcessName): Promise<void> {
    const nothing = Object.keys(process.env).map((key) => [key, undefined] as const);
    // Set and empty counts as not set: no variable of the developer's shell gets in.
    const blank = VARIABLES.map((variable) => [variable.name, ''] as const);
    const port = String(this.#ports[name]);
    const own = {
      api: { PORT: port },
      withoutTemporal: {
        PORT: port,
        IN_PROCESS_WORKER: 'false',
        TEMPORAL_ADDRESS: `127.0.0.1:${this.#ports.nobody}`,
      },
      worker: { WORKER_PORT: port },
    }[name];
    const logFile = join(this.#folder, `${name}-${this.#logs.length}.log`);
    const entry = name === 'worker' ? 'worker/main.ts' : 'src/main.ts';
    const child = startChild({
      name,
      command: process.execPath,
      args: [`${REPOSITORY}run.mjs`, `${REPOSITORY}${entry}`],
      cwd: this.#folder,
      env: {
        ...Object.fromEntries([...nothing, ...blank]),
        PATH: process.env['PATH'],
        ...this.#env,
        ...own,
      },
      logFile,
      stopSignal: 'TERM',
    });
    this.#logs.push(logFile);
    this.#running.set(name, child);
    const path = name === 'withoutTemporal' ? 'live' : 'ready';
    const ended = child.endedByItself.then(async () => {
      throw new Error(`it ended with ${await child.exit()}`);
    });
    // One that ends later is missed by whoever calls it.
    ended.catch(() => undefined);
    try {
      await Promise.race([healthy(`${this.urlOf(name)}/health/${path}`, HEALTHY_MS), ended]);
    } catch (error) {
      const said = await tailOf(logFile);
      throw new Error(`${name} does not start: ${reasonOf(error)}: ${said}`, { cause: error });
    }
  }

  /** Ends a process, by kill -9 or as a roll-out does, and starts it again. */
  async restart(name: ProcessName, how: 'kill' | 'stop'): Promise<void> {
    const child = this.#running.get(name);
    if (how === 'stop') await child?.stop(20_000);
    child?.kill();
    await child?.exit();
    await this.#start(name);
  }

  /** Messages that the logs have at level `error` or above, and how often. */
  async complaints(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for (const file of this.#logs) {
      for (const line of (await readFile(file, 'utf8')).split('\n')) {
        // A process that was killed may have left half a line.
        if (!line.startsWith('{') || !line.endsWith('}')) continue;
        const { level, msg, step, error } = JSON.parse(line) as LogLine;
        if (level < PINO_ERROR) continue;
        const what = [msg, step, error].filter((part) => typeof part === 'string').join(', ');
        found.set(what, (found.get(what) ?? 0) + 1);
      }
    }
    return found;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((child) => child.stop()));
  }
}
