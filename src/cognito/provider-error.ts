/** What Cognito, or the way to it, answered; without the provider's text. Source: the AWS SDK. */
export class ProviderError extends Error {
  override readonly name: string;
  readonly httpStatus: number | null;
  /** A ResourceNotFoundException that speaks of the pool, not of a group: Cognito has one name for both. */
  readonly aboutPool: boolean;

  constructor(name: string, httpStatus: number | null, aboutPool = false) {
    super(name);
    this.name = name;
    this.httpStatus = httpStatus;
    this.aboutPool = aboutPool;
  }
}

/** Total: anything thrown by the SDK becomes a ProviderError named as Cognito or the socket named it. */
export function toProviderError(thrown: unknown): ProviderError {
  if (!(thrown instanceof Error)) return new ProviderError('Unknown', null);
  const { code } = thrown as { code?: unknown };
  // A socket's error keeps a plain name and tells by its code; two refusals of one name are joined.
  const plain = thrown.name === 'Error' || thrown.name === 'AggregateError';
  const socketCode = typeof code === 'string' && plain ? code : undefined;
  const closed = /socket hang up|aborted|other side closed/i.test(thrown.message);
  const name = socketCode ?? (closed && !isService(thrown) ? 'ECONNRESET' : thrown.name);
  const status = httpStatusOf(thrown);
  return new ProviderError(name, status, /user ?pool/i.test(thrown.message));
}

function isService(error: Error): boolean {
  return '$fault' in error;
}

function httpStatusOf(error: Error): number | null {
  if (!('$metadata' in error)) return null;
  const { httpStatusCode } = error.$metadata as { httpStatusCode?: number };
  return httpStatusCode ?? null;
}
