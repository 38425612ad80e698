import { expect, test } from 'vitest';
import { answerLines } from '../../../cli/answer-lines.ts';
import { FAILURES } from '../../../src/domain/failure.ts';
import type { ChangeReceipt } from '../../../src/http/changes/schemas.ts';
import { EXAMPLE_RECEIPT } from '../../../src/http/registrations/receipt-example.ts';
import type { Receipt } from '../../../src/http/registrations/schemas.ts';

const steps: Receipt['steps'] = [
  { name: 'createUser', status: 'done', attempts: 2, lastError: null, nextRetryAt: null },
  {
    name: 'assignRole:viewer',
    status: 'failed',
    attempts: 6,
    lastError: 'identity_provider_throttled',
    nextRetryAt: null,
  },
];
const failure: Receipt['failure'] = {
  code: 'identity_provider_throttled',
  cause: 'throttled_parked',
  detail: 'Throttled.',
};
const receipt: Receipt = {
  ...EXAMPLE_RECEIPT,
  status: 'roles_pending',
  invitation: { status: 'pending', sentAt: null, expiresAt: null, failure: null },
  resumesAt: '2026-01-31T09:40:00.000Z',
  failure,
  steps,
};
const { id } = receipt;
const headline = `${id} roles_pending ada@example.com [viewer] since 2026-01-31T09:30:00.000Z: identity_provider_throttled (throttled_parked)`;

test('a parked receipt shows its steps, the remedy of its cause and the request that resumes it', () => {
  expect(answerLines(receipt)).toEqual([
    headline,
    '  why: Throttled.',
    '  step createUser: done, attempts 2',
    '  step assignRole:viewer: failed, attempts 6, identity_provider_throttled',
    '  invitation: pending',
    '  resumes: 2026-01-31T09:40:00.000Z',
    `  do: ${FAILURES.throttled_parked.operator}`,
    `  then: npm run request -- POST /registrations/${id}/retry`,
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
  expect(lines.at(-1)).toBe(`  then: npm run request -- POST /registrations/${id}/retry`);
});

test('a completed receipt shows the remedy of an invitation that was given up', () => {
  const { code, publicText: detail } = FAILURES.mail_unconfirmed;
  const mail = { code, cause: 'mail_unconfirmed', detail } as const;
  const invitation = { ...receipt.invitation, failure: mail };
  const lines = answerLines({ ...receipt, status: 'completed', failure: null, invitation });
  expect(lines).toContain('  invitation: pending, mail_unconfirmed');
  expect(lines).toContain(`  do: ${FAILURES.mail_unconfirmed.operator}`);
});

test('a receipt of a parked change names its kind and the request of changes', () => {
  const change: ChangeReceipt = {
    id,
    kind: 'disable',
    status: 'parked',
    userId: 'sub-1',
    roles: [],
    requestedBy: 'somebody',
    acceptedAt: receipt.acceptedAt,
    finishedAt: null,
    failure,
    resumesAt: null,
    steps: [],
    timeline: [],
    workflow: { id: 'user/sub-1', runId: null, url: 'https://temporal.example.com/run' },
  };
  const lines = answerLines(change);
  expect(lines[0]).toMatch(/ disable parked user sub-1 \[\] since /);
  expect(lines.slice(-2)).toEqual([
    `  then: npm run request -- POST /changes/${id}/retry`,
    '  Temporal UI: https://temporal.example.com/run',
  ]);
});

test('a list has one line per item and its number', () => {
  const roles = ['admin', 'viewer'];
  const person = { userId: 'sub-1', email: 'ada@example.com', username: null, roles };
  const user = { ...person, enabled: true, status: 'CONFIRMED' };
  expect(answerLines({ items: [receipt], nextCursor: null, total: 7 })).toEqual([
    headline,
    '7 found',
  ]);
  expect(answerLines({ items: [user] })).toEqual([
    'sub-1 ada@example.com [admin, viewer] enabled CONFIRMED',
    '1 found',
  ]);
  expect(answerLines({ items: [{ name: 'admin', description: null }] })).toEqual([
    'name=admin',
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
