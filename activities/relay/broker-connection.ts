import { createAvailability, type Availability } from '../../src/telemetry/availability.ts';
import type { StepLog } from '../step-context.ts';
import { openLine, type Line } from './amqp-line.ts';
import { jittered } from './destination.ts';
import { pause } from './pause.ts';

/** While the broker is away: half a second, doubling, 15 s at most. */
const FIRST_RECONNECT_MS = 500;
const MAX_RECONNECT_MS = 15_000;

/** What the log says of the broker. */
export const BROKER = {
  lost: 'broker unreachable; reconnecting',
  restored: 'broker reconnected',
};

/** A line to the broker that is opened when it is needed, and again after it has gone. */
export interface BrokerConnection {
  /**
   * The line that is open, or a new one; callers at the same time share it.
   * @throws Error why there is none, also when `over` aborts first
   */
  line(over: AbortSignal): Promise<Line>;
  /** Waits until it is time for another attempt. The log says why once, until the broker answers. */
  away(reason: string, over: AbortSignal): Promise<void>;
  /** The broker does its work: the next failure is the first one again. */
  answered(): void;
  close(): Promise<void>;
}

/**
 * @param url holds a password
 * @param exchange is made where it is not there
 * @param broker remembers, beyond this connection, whether the log said that the broker is away
 */
export function createBrokerConnection(
  url: string,
  exchange: string,
  log: StepLog,
  broker: Availability = createAvailability(log, BROKER),
): BrokerConnection {
  let current: Line | null = null;
  let opening: Promise<Line> | null = null;
  let closed = false;
  /** Since the broker last answered. */
  let failures = 0;

  async function open(): Promise<Line> {
    // Its connection may have outlived its channel.
    await current?.close();
    current = null;
    const line = await openLine(url, exchange, log);
    if (closed) {
      await line.close();
      throw new Error('the connection was closed');
    }
    current = line;
    return line;
  }

  return {
    async line(over) {
      if (current && !current.gone.aborted) return current;
      opening ??= open().finally(() => {
        opening = null;
      });
      return await unlessOver(opening, over);
    },
    async away(reason, over) {
      if (over.aborted) return;
      broker.failed({ reason });
      const ms = Math.min(MAX_RECONNECT_MS, FIRST_RECONNECT_MS * 2 ** Math.min(failures, 10));
      failures += 1;
      await pause(jittered(ms), over);
    },
    answered() {
      broker.answered();
      failures = 0;
    },
    async close() {
      closed = true;
      // One that is opening closes itself.
      await current?.close();
    },
  };
}

/** @throws Error also when `over` aborts first: whoever waits stops at once */
async function unlessOver<T>(work: Promise<T>, over: AbortSignal): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(new Error('stopped waiting for the broker'));
  if (over.aborted) end();
  else over.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    over.removeEventListener('abort', end);
  }
}
