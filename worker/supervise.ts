import { setTimeout as delay } from 'node:timers/promises';
import { Client, type ClientOptions } from '@temporalio/client';
import { NativeConnection, type NativeConnectionOptions } from '@temporalio/worker';
import type { RunnableWorker } from './background-worker.ts';
import { missingSearchAttributes } from '../src/temporal/search-attribute.ts';

const RECONNECT_MS = 1000;
/** What cannot be had, by how far it came: the reason stands beside it. */
const FAILED = {
  connection: 'Temporal: unreachable; reconnecting',
  namespace: 'Temporal: namespace not usable; retrying',
  creation: 'worker: start failed; retrying',
  run: 'worker: stopped unexpectedly; restarting',
} as const;
/** How often the server is asked whether it is there, and how long it may take to say so. */
const PROBE_MS = 2000;

export interface SupervisedOptions {
  readonly connect: NativeConnectionOptions;
  readonly namespace: string;
  /** null for a process without a worker. */
  readonly createWorker: ((connection: NativeConnection) => Promise<RunnableWorker>) | null;
  /** Of tracing, for the client. */
  readonly plugins?: NonNullable<ClientOptions['plugins']>;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** A connection to Temporal that is made in a loop, and the worker on it. */
export interface Supervised {
  client(): Client | null;
  state(): { temporal: 'ok' | 'degraded'; worker: 'ok' | 'degraded' };
  /** Lets activities finish, then closes the connection. */
  stop(): Promise<void>;
}

/**
 * Connects, and runs a worker, for as long as the process lives: Temporal may come later than the
 * process, and go in between.
 */
export function supervise(options: SupervisedOptions): Supervised {
  const stopping = new AbortController();
  let client: Client | null = null;
  let stage: keyof typeof FAILED = 'connection';
  let failedAt: keyof typeof FAILED | null = null;
  /** In a row, at that stage. */
  let failures = 0;
  let worker: RunnableWorker | null = null;
  let answers = false;
  /** It was there, and does not answer. */
  let lost = false;
  const address = options.connect.address ?? '';

  /** Said once when it is lost and once when it is back, however often it is asked between. */
  function recordAnswer(answered: boolean): void {
    answers = answered;
    if (answered === !lost) return;
    lost = !answered;
    if (lost) options.log.warn({ address }, 'Temporal: connection lost');
    else options.log.info({ address }, 'Temporal: connection restored');
  }

  // A connection repairs itself and tells nobody that its server is away.
  async function probe(connection: NativeConnection, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      const asked = connection.workflowService.getSystemInfo({}).then(
        () => true,
        () => false,
      );
      const timer = delay(PROBE_MS, false, { signal: ended }).catch(() => false);
      const answered = await Promise.race([asked, timer]);
      if (ended.aborted) return;
      recordAnswer(answered);
      await timer;
    }
  }

  async function once(): Promise<void> {
    stage = 'connection';
    const connection = await NativeConnection.connect(options.connect);
    const ended = new AbortController();
    try {
      stage = 'namespace';
      if (options.createWorker) await expectSearchAttributes(connection, options.namespace);
      const { namespace, plugins = [] } = options;
      client = new Client({ connection, namespace, plugins });
      stage = 'creation';
      // Otherwise it would be said with every attempt to make the worker.
      if (failedAt !== stage && !lost) {
        options.log.info({ namespace: options.namespace }, 'Temporal: connected');
      }
      recordAnswer(true);
      void probe(connection, AbortSignal.any([ended.signal, stopping.signal]));
      if (options.createWorker) {
        worker = await options.createWorker(connection);
        stage = 'run';
        failedAt = null;
        const running = worker.run();
        // Stopping may have been asked for while the worker was being made.
        if (stopping.signal.aborted) worker.shutdown();
        options.log.info({ namespace: options.namespace }, 'worker is polling');
        await running;
      } else {
        failedAt = null;
        await aborted(stopping.signal);
      }
    } finally {
      ended.abort();
      client = null;
      worker = null;
      await connection.close().catch(() => undefined);
    }
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await once();
      } catch (error) {
        const reason = error instanceof Error ? error.message : 'unknown';
        const saidAlready = lost && stage === 'connection' ? 1 : 0;
        failures = stage === failedAt ? failures + 1 : saidAlready;
        failedAt = stage;
        // Tried every second, and said once.
        if (failures === 0) options.log.warn({ reason }, FAILED[stage]);
        await delay(RECONNECT_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  const looping = loop();
  return {
    client: () => client,
    state() {
      const there = client !== null && answers;
      const polls = there && worker?.getState() === 'RUNNING';
      return {
        temporal: there ? 'ok' : 'degraded',
        worker: options.createWorker ? (polls ? 'ok' : 'degraded') : 'ok',
      };
    },
    async stop() {
      stopping.abort();
      if (worker?.getState() === 'RUNNING') worker.shutdown();
      await looping;
    },
  };
}

async function expectSearchAttributes(
  connection: NativeConnection,
  namespace: string,
): Promise<void> {
  const [missing] = await missingSearchAttributes(connection, namespace);
  if (missing === undefined) return;
  throw new Error(`search attribute ${missing} is missing: run \`npm run setup\``);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
