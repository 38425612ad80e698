/** An error of Cognito or of the connection to it, without the text of the provider. */
export class ProviderError extends Error {
  override readonly name: string;
  readonly httpStatus: number | null;
  /** A ResourceNotFoundException about the pool, not about a group: Cognito uses one name for both. */
  readonly aboutPool: boolean;

  constructor(name: string, httpStatus: number | null, aboutPool = false) {
    super(name);
    this.name = name;
    this.httpStatus = httpStatus;
    this.aboutPool = aboutPool;
  }
}

/** Turns anything that the SDK throws into a ProviderError with the name from Cognito or the socket. */
export function toProviderError(thrown: unknown): ProviderError {
  if (!(thrown instanceof Error)) return new ProviderError('Unknown', null);
  const { code } = thrown as { code?: unknown };
  // The code identifies an error of a socket; an AggregateError joins the errors of several addresses.
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
