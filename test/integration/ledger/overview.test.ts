import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { FAILURES, publicFailure } from '../../../src/domain/failure.ts';
import {
  adoptEvents,
  recordEventsFailed,
  outboxFrom,
} from '../../../src/ledger/outbox/event-deliveries.ts';
import { claimInvitation, giveUpInvitation } from '../../../src/ledger/outbox/outbox.ts';
import { OUTBOX_DESTINATIONS } from '../../../src/domain/outbox.ts';
import { readOverview } from '../../../src/ledger/overview.ts';
import { requestInvitation } from '../../../src/ledger/outbox/request-invitation.ts';
import type { Database } from '../../../src/db/client.ts';
import { readTemporalOverview } from '../../../src/temporal/overview.ts';
import { recordComparison } from '../../../src/ledger/compare.ts';
import { joinQuotaQueue } from '../../../src/ledger/quota.ts';
import { test } from '../../support/ledger-test.ts';

test.afterEach(({ ledger }) => ledger.db.execute(sql`TRUNCATE registrations, outbox CASCADE`));

const overviewOf = (db: Database) =>
  readOverview({
    db,
    quotas: { createRps: 40, updateRps: 20 },
    temporal: () => readTemporalOverview(null, { namespace: '', taskQueue: 'test', withinMs: 0 }),
  });

const QUIET = { pending: 0, givenUp: 0, oldestAt: null, nextAttemptAt: null, lastError: null };

test('an overview without waiting rows has no group and shows each destination without deliveries', async ({
  ledger,
}) => {
  await ledger.at('running');
  await ledger.at('compensating');
  await ledger.at('failed');
  await ledger.at('completed', { invite: false });
  expect(await overviewOf(ledger.db)).toMatchObject({
    registrations: {
      byStatus: { running: 1, compensating: 1, failed: 1, completed: 1, accepted: 0 },
    },
    changes: { byStatus: { accepted: 0, running: 0, parked: 0, completed: 0 } },
    comparison: null,
    needsAttention: [],
    outbox: [...OUTBOX_DESTINATIONS].toSorted().map((destination) => ({ destination, ...QUIET })),
  });
});

test('parked registrations are grouped by what they wait for, those that wait longest first', async ({
  ledger,
}) => {
  const first = await ledger.at('roles_pending');
  const second = await ledger.at('roles_pending');
  const refused = await ledger.at('roles_pending');
  const parkedAt = new Date('2026-01-31T09:30:00.000Z');
  await ledger.set(second.id, { parkedAt });
  await ledger.set(refused.id, { failure: publicFailure('refused_parked') });
  const { needsAttention } = await overviewOf(ledger.db);
  expect(needsAttention).toEqual([
    {
      kind: 'registration',
      status: 'roles_pending',
      failureCode: 'identity_provider_unavailable',
      cause: 'provider_unavailable_parked',
      count: 2,
      oldestAt: parkedAt,
      oldestId: second.id,
      remedy: FAILURES.provider_unavailable_parked.operator,
      request:
        'POST /registrations/retry {"status":"roles_pending","failureCode":"identity_provider_unavailable"}',
    },
    expect.objectContaining({
      cause: 'refused_parked',
      count: 1,
      oldestId: refused.id,
      remedy: FAILURES.refused_parked.operator,
    }),
  ]);
  expect(first.id).not.toBe(second.id);
});

test('the cause in a row counts before its failure code', async ({ ledger }) => {
  const { id } = await ledger.at('roles_pending');
  await ledger.db.execute(sql`UPDATE registrations
    SET failure = failure || '{"cause": "throttled_parked"}' WHERE id = ${id}::uuid`);
  const { needsAttention } = await overviewOf(ledger.db);
  expect(needsAttention).toMatchObject([{ cause: 'throttled_parked', count: 1 }]);
});

test('a stuck cleanup waits since it was first reported, under the failure that began it', async ({
  ledger,
}) => {
  const { id } = await ledger.at('cleanup_required');
  const [said] = await ledger.db.execute<{ at: string }>(sql`SELECT at FROM audit_events
    WHERE registration_id = ${id}::uuid AND event = 'registration.cleanup_required'`);
  const { needsAttention } = await overviewOf(ledger.db);
  expect(needsAttention).toMatchObject([
    {
      status: 'cleanup_required',
      failureCode: 'registration_failed',
      cause: 'manual_cleanup_required',
      oldestAt: new Date(said?.at ?? ''),
    },
  ]);
});

test('an invitation that was given up needs a person until it is requested again', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  const due = await claimInvitation(ledger.db);
  if (!due) throw new Error('no invitation is due');
  await giveUpInvitation(ledger.db, due, 'identity_provider_unavailable');
  expect((await overviewOf(ledger.db)).needsAttention).toMatchObject([
    {
      status: 'completed',
      cause: 'mail_unconfirmed',
      failureCode: 'mail_unconfirmed',
      oldestId: id,
      request: `POST /registrations/${id}/invitation`,
    },
  ]);
  await ledger.db.execute(sql`UPDATE outbox_deliveries
    SET mail_attempted_at = mail_attempted_at - interval '1 minute'`);
  await requestInvitation(ledger.db, id, { actor: 'alice' });
  const { needsAttention, outbox } = await overviewOf(ledger.db);
  expect(needsAttention).toEqual([]);
  expect(outbox[1]).toMatchObject({ destination: 'cognito-mail', pending: 1, givenUp: 0 });
});

test('the overview shows pending and given-up deliveries, the next attempt and the last error', async ({
  ledger,
}) => {
  await ledger.at('completed', { invite: false });
  await ledger.at('completed', { invite: false });
  await adoptEvents(ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  const [put, gone] = await ledger.db.execute<{ id: string }>(
    sql`SELECT outbox_id AS id FROM outbox_deliveries`,
  );
  await recordEventsFailed(ledger.db, 'webhook', [
    { outboxId: put?.id ?? '', reason: 'HTTP 500', nextInMs: 3_600_000 },
    { outboxId: gone?.id ?? '', reason: 'HTTP 410', nextInMs: null },
  ]);
  const { outbox } = await overviewOf(ledger.db);
  const webhook = outbox.find(({ destination }) => destination === 'webhook');
  expect(webhook).toMatchObject({
    pending: 1,
    givenUp: 1,
    oldestAt: expect.any(Date) as Date,
    lastError: 'HTTP 500',
  });
  expect(webhook?.nextAttemptAt?.getTime()).toBeGreaterThan(Date.now() + 3_000_000);
});

test('the overview counts steps that wait for each quota', async ({ ledger }) => {
  const { id } = await ledger.at('running');
  const caller = { quota: 'update', perSecond: 16, registrationId: id, since: null } as const;
  await joinQuotaQueue(ledger.db, { ...caller, step: 'assignRole:viewer' });
  await joinQuotaQueue(ledger.db, { ...caller, step: 'assignRole:editor' });
  const { quotas } = await overviewOf(ledger.db);
  expect(quotas).toEqual([
    { name: 'create', perSecond: 40, queued: 0 },
    { name: 'update', perSecond: 16, queued: 2 },
    { name: 'compensation', perSecond: 4, queued: 0 },
    { name: 'background_create', perSecond: 8, queued: 0 },
    { name: 'background_update', perSecond: 3.2, queued: 0 },
  ]);
});

test('the overview shows the result of the last comparison, and none of an older one', async ({
  ledger,
}) => {
  const counts = { users: 3, agreeing: 2, underWay: 0, young: 0, foreign: 0, asked: 0, unasked: 0 };
  const kinds = { orphan: 0, leftover: 0, twin: 0, vanished: 0, unmarked: 0 };
  const report = { ...counts, ...kinds, rolesRead: 0, rolesDiffer: 0, findings: [], advice: [] };
  const finding = { kind: 'orphan', registrationId: null, userId: 'somebody' } as const;
  const startedAt = Date.UTC(2026, 0, 31);
  await recordComparison(ledger.db, { startedAt, report });
  expect((await overviewOf(ledger.db)).comparison).toMatchObject({ agrees: true });
  const later = {
    startedAt: startedAt + 1000,
    report: { ...report, orphan: 1, findings: [finding] },
  };
  await recordComparison(ledger.db, later);
  await recordComparison(ledger.db, { startedAt, report });
  const { comparison } = await overviewOf(ledger.db);
  expect(comparison).toMatchObject({
    startedAt: new Date(later.startedAt),
    agrees: false,
    counts: { users: 3, orphan: 1 },
  });
  expect(JSON.stringify(comparison)).not.toContain('somebody');
});
