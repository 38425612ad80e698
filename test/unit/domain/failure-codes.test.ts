import { describe, expect, test } from 'vitest';
import {
  asChangeFailure,
  FAILURES,
  failureOfCode,
  isFailureName,
  parkedAs,
  publicFailure,
  type Failure,
  type FailureName,
} from '../../../src/domain/failure.ts';

/** Every public code and its HTTP status. */
const CONTRACT: Readonly<Record<string, number>> = {
  invalid_request: 422,
  malformed_json: 400,
  invalid_cursor: 400,
  unauthenticated: 401,
  forbidden: 403,
  role_not_grantable: 403,
  not_found: 404,
  registration_not_found: 404,
  user_not_found: 404,
  change_not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  unsupported_media_type: 415,
  unknown_role: 422,
  email_taken: 409,
  email_unverified: 409,
  username_taken: 409,
  not_parked: 409,
  already_closed: 409,
  invitation_not_due: 409,
  not_ours: 409,
  last_administrator: 409,
  challenge_required: 403,
  password_rejected: 422,
  seal_lost: 500,
  user_vanished: 500,
  terminated: 500,
  idempotency_key_reused: 422,
  registration_failed: 500,
  registration_rejected: 422,
  registration_cancelled: 409,
  manual_cleanup_required: 500,
  identity_provider_refused: 502,
  rate_limited: 429,
  unavailable: 503,
  internal: 500,
};
/** Codes that only a receipt shows, while a run is retried or parked. */
const RECEIPT_ONLY = new Set([
  'identity_provider_unavailable',
  'identity_provider_throttled',
  'user_not_visible',
  'mail_deferred',
  'mail_unconfirmed',
]);

const ENTRIES: readonly [FailureName, Failure][] = Object.keys(FAILURES)
  .filter(isFailureName)
  .map((name) => [name, FAILURES[name]]);

describe('FAILURES and the contract', () => {
  test.each(Object.entries(CONTRACT))('code %s answers with status %d', (code, status) => {
    expect(failureOfCode(code)?.httpStatus).toBe(status);
  });

  test('every code of the table is in the contract', () => {
    const strange = ENTRIES.filter(
      ([, { code }]) => !Object.hasOwn(CONTRACT, code) && !RECEIPT_ONLY.has(code),
    );
    expect(strange.map(([name]) => name)).toEqual([]);
  });

  test('failures of requests and definitive failures have the contract’s status', () => {
    const wrong = ENTRIES.filter(
      ([, { kind, code, httpStatus }]) =>
        (kind === 'request' || kind === 'definitive') && CONTRACT[code] !== httpStatus,
    );
    expect(wrong.map(([name]) => name)).toEqual([]);
  });

  test('a parked run waits under one of four codes', () => {
    const codes = ENTRIES.filter(
      ([name, { kind }]) => kind === 'parked' && name !== 'mail_unconfirmed',
    ).map(([, { code }]) => code);
    expect([...new Set(codes)].toSorted()).toEqual([
      'identity_provider_refused',
      'identity_provider_throttled',
      'identity_provider_unavailable',
      'user_not_visible',
    ]);
  });

  test('a spent budget parks under the same code, whatever was transient', () => {
    const parked = ENTRIES.filter(
      // No run waits for an unconfirmed mail: the registration is completed.
      ([name, { kind }]) =>
        (kind === 'transient' || kind === 'parked') && name !== 'mail_unconfirmed',
    ).map(([name, { code }]) => [code, FAILURES[parkedAs(name)]] as const);
    expect(parked.filter(([, { kind }]) => kind !== 'parked')).toEqual([]);
    expect(
      Object.fromEntries(parked.map(([code, { code: parkedCode }]) => [code, parkedCode])),
    ).toEqual({
      identity_provider_refused: 'identity_provider_refused',
      identity_provider_throttled: 'identity_provider_throttled',
      identity_provider_unavailable: 'identity_provider_unavailable',
      user_not_visible: 'user_not_visible',
      mail_deferred: 'identity_provider_unavailable',
      unavailable: 'identity_provider_unavailable',
    });
  });

  test('the public texts are those that the doors promise', () => {
    expect(FAILURES.database_refused.publicText).toBe(
      'Registration failed and was undone. Please try again.',
    );
    expect(
      ['role_missing', 'rejected', 'database_refused'].map(
        (name) => FAILURES[asChangeFailure(name as FailureName)],
      ),
    ).toEqual(
      Array(3).fill(
        expect.objectContaining({
          kind: 'definitive',
          code: 'registration_failed',
          publicText: 'The change failed and was undone: the user is as before. Please try again.',
        }),
      ),
    );
    expect(FAILURES.manual_cleanup_required.publicText).toContain('Manual cleanup required');
    expect(publicFailure('throttled_parked')).toEqual({
      code: 'identity_provider_throttled',
      cause: 'throttled_parked',
      detail: FAILURES.throttled_parked.publicText,
    });
  });

  test.each(ENTRIES)(
    '%s: texts are sentences, the public one without the provider',
    (...[, row]) => {
      expect(row.publicText).toMatch(/\.$/);
      expect(row.publicText).not.toMatch(/cognito|aws|exception|postgres|sqlstate/i);
      expect(row.title).not.toBe('');
      expect(row.operator).toMatch(/\.$/);
    },
  );

  test('a code that HTTP answers has one title, as RFC 9457 asks of a type', () => {
    const strange = ENTRIES.filter(
      ([, { kind, code, title }]) =>
        (kind === 'request' || kind === 'definitive') && failureOfCode(code)?.title !== title,
    );
    expect(strange.map(([name]) => name)).toEqual([]);
  });

  test('only own keys of the table are failure names', () => {
    expect(ENTRIES).toHaveLength(Object.keys(FAILURES).length);
    for (const name of ['toString', '__proto__', 'constructor', '']) {
      expect(isFailureName(name)).toBe(false);
    }
    expect(failureOfCode('nobody_knows')).toBeUndefined();
  });
});
