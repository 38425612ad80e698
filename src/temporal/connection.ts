import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { NativeConnection, type NativeConnectionOptions } from '@temporalio/worker';

/** A server that is there answers in milliseconds; one behind TLS and far away in a second. */
const ANSWERS_WITHIN_MS = 5000;

/** Temporal cannot be reached; the message names its address. */
export class TemporalUnreachable extends Error {
  override readonly name = 'TemporalUnreachable';
  readonly reason: string;

  constructor(address: string, reason: string) {
    super(`Temporal at ${address} does not answer: ${reason}`);
    this.reason = reason;
  }
}

export interface TemporalAddress {
  /** `host:port`, for messages. */
  readonly address: string;
  readonly connection: NativeConnectionOptions;
}

/**
 * A connection for a command that runs once.
 * @throws TemporalUnreachable within seconds, also where a server accepts and never answers. Then
 * the native part goes on trying for half a minute: the command has to exit.
 */
export async function connectTemporal({
  address,
  connection: options,
}: TemporalAddress): Promise<NativeConnection> {
  const connecting = NativeConnection.connect(options);
  const made = new AbortController();
  const timeout = delay(ANSWERS_WITHIN_MS, null, { signal: made.signal }).catch(() => null);
  try {
    const connection = await Promise.race([connecting, timeout]);
    if (connection) return connection;
  } catch (error) {
    throw new TemporalUnreachable(address, nativeReason(error));
  } finally {
    made.abort();
  }
  // One that is made after all is not left open.
  connecting.then((connection) => connection.close()).catch(() => undefined);
  throw new TemporalUnreachable(address, `no reply within ${ANSWERS_WITHIN_MS / 1000} s`);
}

/** What Temporal answered to a call, or that it did not; undefined where the error is not Temporal's. */
export function temporalReason(error: unknown): string | undefined {
  const cause = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(cause)) return cause.details || cause.message;
  return error instanceof ServiceError ? error.message : undefined;
}

/** In words for a person: the native error spells out how it is made. */
function nativeReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /(?:message|error): "([^"]+)"/.exec(text)?.[1] ?? text.split('\n', 1)[0] ?? 'unknown';
}
