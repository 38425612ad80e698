import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { startChild } from './child.ts';
import { readIfThere, writeFileSafely } from './files.ts';
import { endOrphan } from './orphan.ts';
import { StateError } from './state-error.ts';
import { failureOf } from './part-failure.ts';
import type { RunningPart } from './postgres.ts';

export interface TemporalOptions {
  /** Path of a Temporal CLI, see `findTemporal`. */
  readonly program: string;
  /** Absolute folder of the embedded state. */
  readonly home: string;
  readonly port: number;
  /** Undefined: no UI. */
  readonly uiPort?: number;
  /** Keeps everything in memory. */
  readonly ephemeral: boolean;
  /** The server's own settings, such as the limits of a history. */
  readonly dynamicConfig?: Readonly<Record<string, number>>;
}

const NAMESPACE = 'default';

/** Starts Temporal's dev server with our search attributes. `url` is its gRPC address. */
export async function startTemporal(options: TemporalOptions): Promise<RunningPart> {
  const { home, port } = options;
  const state = join(home, 'temporal.db');
  const pidFile = join(home, 'temporal.pid');
  const logFile = join(home, 'temporal.log');
  const before = Number(await readIfThere(pidFile));
  if (Number.isInteger(before) && before > 1) await endOrphan(before, home);
  const child = startChild({
    name: 'Temporal',
    command: options.program,
    args: [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--namespace',
      NAMESPACE,
      ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
      '--log-level',
      'warn',
      '--color',
      'never',
      ...(options.uiPort === undefined ? ['--headless'] : ['--ui-port', String(options.uiPort)]),
      ...(options.ephemeral ? [] : ['--db-filename', state]),
      ...Object.entries(options.dynamicConfig ?? {}).flatMap(([key, value]) => [
        '--dynamic-config-value',
        `${key}=${value}`,
      ]),
    ],
    // The CLI must not read what names another server, nor trace itself: of an exporter that it does not
    // know, also an empty one, it would not start.
    env: {
      ...Object.fromEntries(
        Object.keys(process.env)
          .filter((name) => name.startsWith('OTEL_'))
          .map((name) => [name, undefined]),
      ),
      TEMPORAL_ADDRESS: undefined,
      TEMPORAL_PROFILE: undefined,
      TEMPORAL_CONFIG_FILE: undefined,
    },
    cwd: home,
    logFile,
    stopSignal: 'TERM',
  });
  const address = `127.0.0.1:${port}`;
  const ui = options.uiPort === undefined ? '' : ` or its UI's port ${options.uiPort}`;
  const part = { title: 'Temporal', state, logFile, address: `${address}${ui}` };
  try {
    await writeFileSafely(pidFile, `${child.pid}\n`);
    await waitForTemporal(address, () => child.ended());
    await waitForItsWord(logFile, () => child.ended());
  } catch (error) {
    await child.stop();
    if (error instanceof StateError) throw error;
    throw await failureOf(part, 'did not start');
  }
  return {
    url: address,
    pid: child.pid,
    failed: child.endedByItself.then(() => failureOf(part, 'stopped unexpectedly')),
    stop: () => child.stop(),
    kill: () => child.kill(),
  };
}

/** Waits until the namespace and the search attributes are there: a worker needs them. */
async function waitForTemporal(address: string, ended: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    let connection: Connection | undefined;
    try {
      connection = await Connection.connect({ address, connectTimeout: 2_000 });
      await connection.workflowService.describeNamespace({ namespace: NAMESPACE });
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace: NAMESPACE,
      });
      const missing = SEARCH_ATTRIBUTES.find((name) => !customAttributes?.[name]);
      if (missing === undefined) return;
      throw new Error(`the search attribute ${missing} does not exist yet`);
    } catch (error) {
      if (ended() || Date.now() > deadline) throw error;
      await sleep(100);
    } finally {
      await connection?.close();
    }
  }
}

/**
 * Another Temporal that was quicker to take the port answers in its place: ours has to say itself
 * that it serves, or to end. A version that says it in other words gets a second.
 */
async function waitForItsWord(logFile: string, ended: () => boolean): Promise<void> {
  const deadline = Date.now() + 1_000;
  while (Date.now() < deadline && !ended()) {
    if (/^Server:/m.test((await readIfThere(logFile)) ?? '')) return;
    await sleep(20);
  }
  if (ended()) throw new Error('it stopped');
}
