import { expect, test } from 'vitest';
import { answerLines } from '../../../cli/answer-lines.ts';
import { FAILURES } from '../../../src/domain/failure.ts';

const receipt = {
  id: 'id-1',
  status: 'roles_pending',
  email: 'ada@example.com',
  userId: 'sub-1',
  roles: ['viewer'],
  acceptedAt: '2026-01-31T09:30:00.000Z',
  resumesAt: '2026-01-31T09:40:00.000Z',
  failure: { code: 'identity_provider_throttled', cause: 'throttled_parked', detail: 'Throttled.' },
  compensationFailures: [],
  invitation: { status: 'pending', sentAt: null, failure: null },
  steps: [
    { name: 'createUser', status: 'done', attempts: 2, lastError: 'x', nextRetryAt: null },
    {
      name: 'assignRole:viewer',
      status: 'failed',
      attempts: 6,
      lastError: 'identity_provider_throttled',
      nextRetryAt: null,
    },
  ],
  timeline: [{ event: 'registration.accepted' }],
  workflow: { id: 'register-user/id-1', runId: null, url: null },
};
const headline =
  'id-1 roles_pending ada@example.com [viewer] since 2026-01-31T09:30:00.000Z: identity_provider_throttled (throttled_parked)';

test('a parked receipt shows its steps, the remedy of its cause and the request that resumes it', () => {
  expect(answerLines(receipt)).toEqual([
    headline,
    '  why: Throttled.',
    '  step createUser: done, attempts 2',
    '  step assignRole:viewer: failed, attempts 6, identity_provider_throttled',
    '  invitation: pending',
    '  resumes: 2026-01-31T09:40:00.000Z',
    `  do: ${FAILURES.throttled_parked.operator}`,
    '  then: npm run request -- POST /registrations/id-1/retry',
  ]);
});

test('a receipt of a cleanup that fails shows what prevents it, and the remedy for that', () => {
  const lines = answerLines({
    ...receipt,
    status: 'cleanup_required',
    compensationFailures: [
      { step: 'deleteUser', code: 'identity_provider_unavailable', detail: '' },
    ],
  });
  expect(lines).toContain('  cleanup failed: deleteUser, identity_provider_unavailable');
  expect(lines).toContain(`  do: ${FAILURES.manual_cleanup_required.operator}`);
  expect(lines.at(-1)).toBe('  then: npm run request -- POST /registrations/id-1/retry');
});

test('a receipt of a parked change names its kind and the request of changes', () => {
  const { email: _, compensationFailures: _failures, invitation: _mail, ...shared } = receipt;
  const lines = answerLines({ ...shared, kind: 'disable', status: 'parked', roles: null });
  expect(lines[0]).toMatch(/^id-1 disable parked user sub-1 \[\] since /);
  expect(lines.at(-1)).toBe('  then: npm run request -- POST /changes/id-1/retry');
});

test('a list has one line per item and its number', () => {
  const user = { userId: 'sub-1', username: null, roles: ['admin', 'viewer'], enabled: true };
  expect(answerLines({ items: [receipt], nextCursor: null, total: 7 })).toEqual([
    headline,
    '7 found',
  ]);
  expect(answerLines({ items: [user] })).toEqual([
    'userId=sub-1 roles=admin, viewer enabled=true',
    '1 found',
  ]);
});

test('a problem has a line with its code, and one for each wrong field', () => {
  const errors = [{ pointer: '#/email', code: 'invalid', detail: 'Must be an address.' }];
  const problem = { type: '/problems/invalid_request', status: 422, code: 'invalid_request' };
  expect(answerLines({ ...problem, detail: 'Wrong.', errors, registrationId: 'id-1' })).toEqual([
    '422 invalid_request: Wrong.',
    '  #/email: Must be an address.',
    '  registration: id-1',
  ]);
});

test('any other answer has one line per value that is there', () => {
  expect(answerLines({ free: false, pool: { exists: true, enabled: null } })).toEqual([
    'free: false',
    'pool.exists: true',
  ]);
});
