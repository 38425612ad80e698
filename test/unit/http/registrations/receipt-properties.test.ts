import { OpenAPIHono } from '@hono/zod-openapi';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { AUDIT_EVENTS, type AuditEvent } from '../../../../src/domain/audit-event.ts';
import { FAILURES } from '../../../../src/domain/failure.ts';
import { PROFILE_REFUSALS } from '../../../../src/domain/profile.ts';
import { DOORS, type Registration } from '../../../../src/domain/registration.ts';
import type { PendingAttempt, RunState } from '../../../../src/domain/runs.ts';
import { STATUSES } from '../../../../src/domain/status.ts';
import { STEP_STATUSES } from '../../../../src/domain/step.ts';
import { problemOf } from '../../../../src/http/registrations/outcome.ts';
import { toReceipt } from '../../../../src/http/registrations/receipt.ts';
import { ProblemSchema, ReceiptSchema } from '../../../../src/http/registrations/schemas.ts';
import { documented } from '../../../integration/http/document-schema.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const role = fc.stringMatching(/^[a-zA-Z:_-]{1,20}$/);
const roles = fc.uniqueArray(role, { maxLength: 5 });
const id = fc.uuid({ version: 4 });
const at = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });
const maybeAt = fc.option(at);
// A row of another version may hold a code that this one does not list.
const code = fc.oneof(
  fc.constantFrom(...Object.values(FAILURES).map((failure): string => failure.code)),
  fc.constant('of_another_version'),
);
const cause = fc.oneof(
  fc.constantFrom(...Object.keys(FAILURES)),
  fc.constant('of_another_version'),
);
const failure = fc.record({ code, cause, detail: text });
const attempts = fc.nat(1000);
const step = fc.oneof(
  fc.constantFrom(
    'createUser',
    'setPassword',
    'createProfile',
    'complete',
    'deleteProfile',
    'deleteUser',
  ),
  role.map((name) => `assignRole:${name}`),
  role.map((name) => `removeRole:${name}`),
);
const record = fc.record({
  status: fc.constantFrom(...STEP_STATUSES),
  attempts,
  lastError: fc.option(code),
});

/** Whatever the ledger can hold, sensible or not. */
const row: fc.Arbitrary<Registration> = fc.record({
  id,
  status: fc.constantFrom(...STATUSES),
  email: fc.emailAddress(),
  username: fc.option(text),
  firstName: fc.option(text),
  lastName: fc.option(text),
  attributes: fc.dictionary(role, text, { maxKeys: 2 }),
  emailVerified: fc.boolean(),
  invite: fc.boolean(),
  roles,
  rolesAssigned: roles,
  rolesTouched: roles,
  rolesRemoved: roles,
  rolesReplacedAt: maybeAt,
  rolesConfirmedAt: maybeAt,
  requestedBy: text,
  door: fc.constantFrom(...DOORS),
  idempotencyKey: fc.option(text),
  instruction: fc.option(
    fc.record({
      kind: fc.constantFrom('retry' as const, 'roles' as const, 'cancel' as const),
      actor: text,
      reason: fc.option(text),
      at,
      acknowledgedAt: maybeAt,
    }),
  ),
  createAttempt: attempts,
  createAttemptedAt: maybeAt,
  createOutcome: fc.option(
    fc.constantFrom(
      'created' as const,
      'taken' as const,
      'refused' as const,
      'errored' as const,
      'exists' as const,
    ),
  ),
  createUnansweredAt: maybeAt,
  existsSince: maybeAt,
  credentialsRefusedSince: maybeAt,
  absenceConfirmedAt: maybeAt,
  strayUsernames: fc.array(text, { maxLength: 2 }),
  readAt: fc.record({ database: at, monotonicMs: fc.double({ noNaN: true }) }),
  userCreatedAt: maybeAt,
  sealedAt: maybeAt,
  passwordSetAt: maybeAt,
  mailsCode: fc.boolean(),
  wantsProfile: fc.boolean(),
  profileId: fc.option(text),
  profileOutcome: fc.option(fc.constantFrom('created' as const, ...PROFILE_REFUSALS)),
  profileUnansweredAt: maybeAt,
  profileDeletedAt: maybeAt,
  profileStrayAt: maybeAt,
  cognitoUsername: fc.option(text),
  userId: fc.option(text),
  failure: fc.option(failure),
  closesAs: fc.option(fc.constantFrom('failed' as const, 'cancelled' as const)),
  compensationFailures: fc.array(fc.record({ step, code, detail: text }), { maxLength: 2 }),
  steps: fc.dictionary(step, record, { maxKeys: 6 }),
  invitation: fc.record({
    status: fc.constantFrom('none' as const, 'pending' as const, 'sent' as const),
    sentAt: maybeAt,
    expiresAt: maybeAt,
    failure: fc.option(failure),
    reason: fc.option(text),
  }),
  acceptedAt: at,
  finishedAt: maybeAt,
  parkedAt: maybeAt,
  runId: fc.option(id),
  resumeAttempts: attempts,
  nextResumeAt: maybeAt,
  userDeletedAt: maybeAt,
  releasedAt: maybeAt,
  recoveryMailedAt: maybeAt,
  replaces: fc.option(id),
  replacement: fc.constantFrom(null, 'requested', 'disabling', 'deleting', 'deleted', 'kept'),
  replacedWasEnabled: fc.option(fc.boolean()),
  replacementOpenAt: maybeAt,
  replacedBy: fc.option(id),
  unrecordedEvents: fc.array(fc.constantFrom(...AUDIT_EVENTS), { maxLength: 2 }),
});
const event: fc.Arbitrary<AuditEvent> = fc.record({
  id,
  event: fc.constantFrom(...AUDIT_EVENTS),
  registrationId: fc.option(id),
  userId: fc.option(text),
  actor: text,
  at,
  details: fc.dictionary(role, fc.jsonValue(), { maxKeys: 3 }),
});
const pending: fc.Arbitrary<PendingAttempt> = fc.record({
  step,
  attempt: attempts,
  status: fc.constantFrom('running' as const, 'retrying' as const),
  lastError: fc.option(code),
  nextRetryAt: maybeAt,
});
const run: fc.Arbitrary<RunState | null> = fc.oneof(
  fc.constant(null),
  fc.record({ kind: fc.constant('not_found' as const) }),
  fc.record({ kind: fc.constant('open' as const), runId: id, pending: fc.array(pending) }),
  fc.record({ kind: fc.constant('ended' as const), runId: id, closedAt: at }),
);
const temporal = fc.record({
  uiUrl: fc.option(fc.webUrl()),
  namespace: fc.stringMatching(/^[a-z.]{1,20}$/),
});

const api = new OpenAPIHono();
api.openAPIRegistry.register('Receipt', ReceiptSchema);
api.openAPIRegistry.register('Problem', ProblemSchema);
const document = api.getOpenAPI31Document({
  openapi: '3.1.0',
  info: { title: '', version: '' },
}) as unknown as Record<string, unknown>;

test('whatever the ledger holds shows as a receipt that the document describes', () => {
  const receipt = documented(document, { $ref: '#/components/schemas/Receipt' });
  fc.assert(
    fc.property(row, fc.array(event, { maxLength: 4 }), run, temporal, (held, trail, state, ui) => {
      const shown: unknown = JSON.parse(JSON.stringify(toReceipt(held, trail, state, ui)));
      expect(receipt.safeParse(shown).error?.issues).toBeUndefined();
      expect(shown).toMatchObject({ id: held.id, status: held.status, roles: held.roles });
    }),
    { numRuns: 300 },
  );
});

test('whatever a registration ended in is a problem that the document describes', () => {
  const problem = documented(document, { $ref: '#/components/schemas/Problem' });
  fc.assert(
    fc.property(row, id, (held, requestId) => {
      const ended = problemOf(held);
      expect(ended !== null).toBe(
        ['failed', 'cancelled', 'cleanup_required'].includes(held.status),
      );
      if (ended === null) return;
      const body: unknown = JSON.parse(JSON.stringify(ended.body(requestId)));
      expect(problem.safeParse(body).error?.issues).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});
