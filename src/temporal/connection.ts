import {
  Connection,
  defaultGrpcRetryOptions,
  isGrpcDeadlineError,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
  ServiceError,
  type ConnectionOptions,
} from '@temporalio/client';

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
  readonly connection: ConnectionOptions;
}

/**
 * A connection for a command that runs once: in JavaScript, because the native one of a worker takes much
 * longer to load. @throws TemporalUnreachable within seconds, also where a server accepts and never answers
 */
export async function connectTemporal({
  address,
  connection: options,
}: TemporalAddress): Promise<Connection> {
  let answered = false;
  const retry = defaultGrpcRetryOptions();
  // A wrong address is reported at once; a call to a server that answered before is repeated.
  const retryableDecider: typeof retry.retryableDecider = (attempt, status) =>
    answered && retry.retryableDecider(attempt, status);
  try {
    const connection = Connection.lazy({
      ...options,
      interceptors: [makeGrpcRetryInterceptor({ ...retry, retryableDecider })],
      // A worker's connection takes no proxy from the environment either.
      channelArgs: { 'grpc.enable_http_proxy': 0 },
    });
    await connection.withDeadline(Date.now() + ANSWERS_WITHIN_MS, () =>
      connection.workflowService.getSystemInfo({}),
    );
    answered = true;
    return connection;
  } catch (error) {
    throw new TemporalUnreachable(address, unreachableReason(error));
  }
}

/** What Temporal answered to a call, or that it did not; undefined where the error is not Temporal's. */
export function temporalReason(error: unknown): string | undefined {
  const cause = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(cause)) return cause.details || cause.message;
  return error instanceof ServiceError ? error.message : undefined;
}

/** gRPC wraps the error of the socket: `No connection established. Last error: Error: <it>. Resolution note: `. */
function unreachableReason(error: unknown): string {
  if (isGrpcDeadlineError(error)) return `no reply within ${ANSWERS_WITHIN_MS / 1000} s`;
  const text = temporalReason(error) ?? (error instanceof Error ? error.message : String(error));
  const [, socketError] =
    /Last error: (?:Error: )?(.+?)(?: \(\S+Z\))?\. Resolution/s.exec(text) ?? [];
  return (socketError ?? text).split('\n', 1)[0] ?? 'unknown';
}
