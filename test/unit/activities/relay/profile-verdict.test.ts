import { describe, expect, test } from 'vitest';
import {
  decisionOf,
  noAnswer,
  requireDeleted,
} from '../../../../activities/relay/profile-verdict.ts';
import { ProfileUnavailable } from '../../../../src/domain/profile.ts';

const STATUSES = Array.from({ length: 400 }, (_, index) => index + 200);
const CREATED = [200, 201];
/** 4xx that pass, as the contract lists them. */
const PASSING = [401, 403, 404, 408, 425, 429];

/** What a call makes of an answer: its decision, or why there is none. */
function verdict(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof ProfileUnavailable)) throw error;
    const { reason, mayHaveEffect, retryAfterMs } = error;
    return { reason, mayHaveEffect, retryAfterMs };
  }
}
const put = (status: number, body: unknown = {}, retryAfterMs = 0) =>
  verdict(() => decisionOf({ status, text: JSON.stringify(body), retryAfterMs }));
const remove = (status: number, retryAfterMs = 0) =>
  verdict(() => requireDeleted({ status, text: null, retryAfterMs }));

describe('the answer to a PUT', () => {
  test.each(STATUSES)('with %i and an id is created, refused or no decision', (status) => {
    const isRefusal = status >= 400 && status < 500 && !PASSING.includes(status);
    expect(put(status, { id: 'p-1', field: 'nickname' })).toMatchObject(
      CREATED.includes(status)
        ? { kind: 'created', profileId: 'p-1' }
        : isRefusal
          ? { kind: 'refused', failure: 'profile_rejected' }
          : { reason: `HTTP ${status}` },
    );
  });

  test.each([
    { field: 'email', failure: 'email_taken' },
    { field: 'username', failure: 'username_taken' },
    { field: 'phone', failure: 'profile_rejected' },
    { field: 'constructor', failure: 'profile_rejected' },
    { field: 1, failure: 'profile_rejected' },
  ])('409 with the field $field is $failure', ({ field, failure }) => {
    expect(put(409, { field })).toEqual({ kind: 'refused', failure });
  });

  test('a field counts with 409 only', () => {
    expect(put(422, { field: 'email' })).toEqual({ kind: 'refused', failure: 'profile_rejected' });
  });

  test.each([
    null,
    '',
    'text',
    '[]',
    'null',
    '{"id":""}',
    '{"id":1.5}',
    '{"id":{}}',
    '{"id":"a\\u0000"}',
    '{"id":"\\ud800"}',
  ])('a success without a usable id, %s, is no decision and may have had its effect', (text) => {
    const found = verdict(() => decisionOf({ status: 201, text, retryAfterMs: 0 }));
    expect(found).toMatchObject({ reason: 'HTTP 201 without an id', mayHaveEffect: true });
  });

  test('a whole number is an id', () => {
    expect(put(201, { id: 42 })).toEqual({ kind: 'created', profileId: '42' });
  });

  test('only an answer that says that nothing was done counts as without effect', () => {
    const without = STATUSES.filter((status) => {
      const found = put(status) as { mayHaveEffect?: boolean };
      return found.mayHaveEffect === false;
    });
    expect(without).toEqual([301, 302, 307, 308, 401, 403, 404, 425, 429]);
  });

  test('what the service asks to wait is kept', () => {
    expect(put(503, {}, 7000)).toMatchObject({ retryAfterMs: 7000 });
  });
});

test.each(STATUSES)('the answer %i to a DELETE is gone, or is asked again', (status) => {
  const isGone = status < 300 || status === 404 || status === 410;
  const again = { reason: `HTTP ${status}`, mayHaveEffect: true, retryAfterMs: 5 };
  expect(remove(status, 5)).toEqual(isGone ? undefined : again);
});

test.each([
  { code: 'ECONNREFUSED', mayHaveEffect: false },
  { code: 'UND_ERR_CONNECT_TIMEOUT', mayHaveEffect: false },
  { code: 'private address', mayHaveEffect: false },
  { code: 'ECONNRESET', mayHaveEffect: true },
  { code: 'UND_ERR_SOCKET', mayHaveEffect: true },
  { code: 'no connection', mayHaveEffect: true },
  { code: null, mayHaveEffect: true },
])('no answer because of $code: the request may have had its effect: $mayHaveEffect', (row) => {
  expect(noAnswer(row.code)).toMatchObject({
    reason: row.code ?? 'time-out',
    mayHaveEffect: row.mayHaveEffect,
  });
});
