import { failureOfCode, FAILURES, type Failure, type FailureCode } from '../../domain/failure.ts';

/** One place where a request does not fit. `pointer` is a JSON pointer as a URI fragment. */
export interface ProblemPlace {
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

export interface ProblemExtras {
  /** Instead of the failure table's text; as safe for anybody as that. */
  readonly detail?: string;
  readonly registrationId?: string;
  readonly errors?: readonly ProblemPlace[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** An RFC 9457 body. Members that do not apply are left out, as the RFC has it. */
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
/** A list of errors is for a person to read: more than these help nobody. */
const MAX_PLACES = 20;
const RETRY_AFTER_SECONDS = '5';

/** Thrown by whoever cannot go on with a request; answered in one place, by the app. */
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

/** Whether a code read from a row is one of the table's. */
export function isFailureCode(code: string): code is FailureCode {
  return failureOfCode(code) !== undefined;
}
