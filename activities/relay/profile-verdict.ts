import {
  parseProfileId,
  ProfileUnavailable,
  type ProfileDecision,
  type ProfileRefusal,
} from '../../src/domain/profile.ts';

/** An answer of the profile service over HTTP. */
export interface ProfileResponse {
  readonly status: number;
  /** null: it could not be read. */
  readonly text: string | null;
  readonly retryAfterMs: number;
}

/** 4xx that may pass: they say nothing about the person. */
const TRANSIENT = new Set([401, 403, 404, 408, 425, 429]);
/** Of these, and of redirects, the service has done nothing. After 408 it may have. */
const NOT_DONE = new Set([301, 302, 307, 308, 401, 403, 404, 425, 429]);
const GONE = new Set([404, 410]);
/** Errors of a socket before anything was sent. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'private address',
]);
const TAKEN: Readonly<Record<string, ProfileRefusal>> = {
  email: 'email_taken',
  username: 'username_taken',
};

/**
 * What the answer to a `PUT` means; total. 200 and 201 with an id: created · 409 that names the field: taken ·
 * any other 4xx that does not pass: rejected.
 * @throws ProfileUnavailable for all else
 */
export function decisionOf({ status, text, retryAfterMs }: ProfileResponse): ProfileDecision {
  if (status === 200 || status === 201) {
    const profileId = parseProfileId(fieldOf(text, 'id'));
    if (profileId === null) throw new ProfileUnavailable(`HTTP ${status} without an id`, true);
    return { kind: 'created', profileId };
  }
  if (status >= 400 && status < 500 && !TRANSIENT.has(status)) {
    const field = status === 409 ? fieldOf(text, 'field') : undefined;
    const taken = typeof field === 'string' && Object.hasOwn(TAKEN, field) && TAKEN[field];
    return { kind: 'refused', failure: taken || 'profile_rejected' };
  }
  throw new ProfileUnavailable(`HTTP ${status}`, !NOT_DONE.has(status), retryAfterMs);
}

/** The answer to a `DELETE`: returns where the profile is gone. @throws ProfileUnavailable for all else */
export function requireDeleted({ status, retryAfterMs }: ProfileResponse): void {
  if ((status >= 200 && status < 300) || GONE.has(status)) return;
  throw new ProfileUnavailable(`HTTP ${status}`, true, retryAfterMs);
}

/** No answer. @param code of the error of the socket; null: the time is up */
export function noAnswer(code: string | null): ProfileUnavailable {
  return new ProfileUnavailable(code ?? 'time-out', code === null || !NOT_SENT.has(code));
}

function fieldOf(text: string | null, name: string): unknown {
  try {
    const body: unknown = JSON.parse(text ?? '');
    return typeof body === 'object' && body !== null && Object.hasOwn(body, name)
      ? (body as Record<string, unknown>)[name]
      : undefined;
  } catch {
    return undefined;
  }
}
