import { failureOfCode, FAILURES, type Failure, type FailureCode } from '../../domain/failure.ts';

/** One invalid place in a request. `pointer` is a JSON pointer as a URI fragment. */
export interface ProblemPlace {
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

export interface ProblemExtras {
  /** Replaces the text of the failure table; must be safe for the public too. */
  readonly detail?: string;
  readonly registrationId?: string;
  readonly errors?: readonly ProblemPlace[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** An RFC 9457 body. Members that do not apply are left out, as the RFC says. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: FailureCode;
  readonly instance: string;
  readonly registrationId?: string;
  readonly errors?: readonly ProblemPlace[];
}

export const PROBLEM_TYPE = 'application/problem+json';
/** A list of errors is for a person to read: more entries would not help. */
const MAX_PLACES = 20;
const RETRY_AFTER_SECONDS = '5';

/** Thrown to end a request with an error; the app turns it into the response in one place. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: FailureCode;
  readonly extras: ProblemExtras;

  constructor(code: FailureCode, extras: ProblemExtras = {}) {
    super(code);
    this.code = code;
    this.extras = extras;
  }

  get failure(): Failure {
    return failureOfCode(this.code) ?? FAILURES.internal;
  }

  headers(): Record<string, string> {
    const retry = this.code === 'unavailable' ? { 'retry-after': RETRY_AFTER_SECONDS } : {};
    return { ...retry, ...this.extras.headers, 'content-type': PROBLEM_TYPE };
  }

  /** @param requestId a UUID, the same as in `X-Request-Id` and the log */
  body(requestId: string): ProblemBody {
    const { title, httpStatus, publicText } = this.failure;
    const { detail, registrationId, errors } = this.extras;
    return {
      type: `/problems/${this.code}`,
      title,
      status: httpStatus,
      detail: detail ?? publicText,
      code: this.code,
      instance: `urn:uuid:${requestId}`,
      ...(registrationId === undefined ? {} : { registrationId }),
      ...(errors === undefined ? {} : { errors: errors.slice(0, MAX_PLACES) }),
    };
  }
}

/** A JSON pointer as a URI fragment: `#/roles/0`. Keys come from the caller, so each is bounded. */
export function pointerTo(...path: readonly PropertyKey[]): string {
  const segments = path.map((segment) => {
    const text = String(segment).slice(0, 64).toWellFormed();
    return encodeURIComponent(text.replaceAll('~', '~0').replaceAll('/', '~1'));
  });
  return `#${segments.map((segment) => `/${segment}`).join('')}`;
}

/** Whether a code from a row is in the failure table. */
export function isFailureCode(code: string): code is FailureCode {
  return failureOfCode(code) !== undefined;
}
