import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import type { AuditEvent } from '../../../../src/domain/audit-event.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import { appendAuditEvent } from '../../../../src/ledger/audit/audit-trail.ts';
import {
  countRegistrations,
  listRegistrations,
  type RegistrationFilter,
} from '../../../../src/ledger/registrations/list.ts';
import { listAuditEvents, readRegistration } from '../../../../src/ledger/registrations/read.ts';
import type { Position } from '../../../../src/ledger/bounded-scan.ts';
import { type Ledger, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const ALL = { callerId: 'admin', grants: '*' } as const;

async function pages(
  ledger: Ledger,
  filter: RegistrationFilter,
  limit: number,
): Promise<Registration[]> {
  const found: Registration[] = [];
  let after: Position | undefined;
  do {
    const page = await listRegistrations(ledger.db, { ...filter, limit, after });
    found.push(...page.items);
    after = page.next ?? undefined;
  } while (after);
  return found;
}

async function auditPages(
  ledger: Ledger,
  registrationId: string,
  limit: number,
): Promise<AuditEvent[]> {
  const found: AuditEvent[] = [];
  let after: Position | undefined;
  do {
    const page = await listAuditEvents(ledger.db, { registrationId, limit, after });
    found.push(...page.items);
    after = page.next ?? undefined;
  } while (after);
  return found;
}

describe('paging', () => {
  test.for([1, 2, 7, 30])(
    'registrations of one instant are paged by %d without gap or duplicate',
    async (limit, { ledger }) => {
      const requestedBy = randomUUID();
      const acceptedAt = new Date('2026-01-02T03:04:05.678Z');
      const ids = await times(23, async (index) => {
        const { id } = await ledger.accepted({ requestedBy });
        const later = new Date(acceptedAt.getTime() + 1);
        await ledger.set(id, { acceptedAt: index % 5 === 0 ? later : acceptedAt });
        return id;
      });
      const found = await pages(ledger, { visibleTo: ALL, requestedBy }, limit);
      expect(found.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
      const order = found.map(({ acceptedAt: at, id }) => `${at.toISOString()} ${id}`);
      expect(order).toEqual(order.toSorted().toReversed());
    },
  );

  test('a registration accepted meanwhile shifts no page', async ({ ledger }) => {
    const requestedBy = randomUUID();
    await times(6, () => ledger.accepted({ requestedBy }));
    const filter = { visibleTo: ALL, requestedBy, limit: 3 };
    const first = await listRegistrations(ledger.db, filter);
    await times(3, () => ledger.accepted({ requestedBy }));
    if (!first.next) throw new Error('no second page');
    const second = await listRegistrations(ledger.db, { ...filter, after: first.next });
    const ids = new Set([...first.items, ...second.items].map(({ id }) => id));
    expect(ids.size).toBe(6);
  });

  test.for([1, 4])(
    'the audit trail is paged by %d without gap or duplicate',
    async (limit, { ledger }) => {
      const registrationId = randomUUID();
      // One statement each, some in one transaction: times of the trail are to the millisecond.
      await ledger.db.transaction(async (tx) => {
        for (let key = 0; key < 17; key += 1) {
          await appendAuditEvent(tx, {
            event: 'registration.parked',
            registrationId,
            actor: 'system',
            key: `${key}`,
          });
        }
      });
      const found = await auditPages(ledger, registrationId, limit);
      expect(new Set(found.map(({ id }) => id)).size).toBe(17);
      expect(found).toHaveLength(17);
    },
  );
});

describe('filters', () => {
  test('filters of registrations work alone and together', async ({ ledger }) => {
    const requestedBy = randomUUID();
    const wanted = await ledger.at('failed', { requestedBy, roles: ['a', 'b,"c'] });
    const other = await ledger.at('running', { requestedBy, roles: ['d'] });
    const hour = 3_600_000;
    await ledger.set(other.id, { acceptedAt: new Date(wanted.acceptedAt.getTime() - hour) });
    const base = { visibleTo: ALL, requestedBy };
    const idsOf = async (filter: Partial<RegistrationFilter>) => {
      const listed = await pages(ledger, { ...base, ...filter }, 10);
      expect(await countRegistrations(ledger.db, { ...base, ...filter })).toBe(listed.length);
      return listed.map(({ id }) => id);
    };
    expect(await idsOf({})).toEqual([wanted.id, other.id]);
    expect(await idsOf({ statuses: [] })).toEqual([wanted.id, other.id]);
    const alone: Partial<RegistrationFilter>[] = [
      { statuses: ['failed', 'cancelled'] },
      { email: wanted.email },
      { role: 'b,"c' },
      { acceptedAfter: wanted.acceptedAt },
    ];
    for (const filter of alone) expect(await idsOf(filter)).toEqual([wanted.id]);
    expect(await idsOf(Object.assign({}, ...alone) as RegistrationFilter)).toEqual([wanted.id]);
    expect(await idsOf({ acceptedBefore: wanted.acceptedAt })).toEqual([other.id]);
    expect(await idsOf({ role: 'b' })).toEqual([]);
  });

  test('filters of the audit trail work alone and together', async ({ ledger }) => {
    const { id } = await ledger.at('completed');
    const mine = { registrationId: id, limit: 10 };
    const named = async (filter: object) =>
      (await listAuditEvents(ledger.db, { ...mine, ...filter })).items.map(({ event }) => event);
    expect(await named({})).toEqual(['user.registered', 'registration.requested']);
    expect(await named({ event: 'registration.requested' })).toEqual(['registration.requested']);
    expect(await named({ userId: `sub-${id}` })).toEqual(['user.registered']);
    expect(await named({ event: 'no such event' })).toEqual([]);
  });
});

test('an unknown id reads as null', async ({ ledger }) => {
  expect(await readRegistration(ledger.db, randomUUID())).toBeNull();
});

test('counting is exact up to 10,000 and null beyond', async ({ ledger }) => {
  const requestedBy = randomUUID();
  const insert = async (count: number) =>
    await ledger.db
      .execute(sql`INSERT INTO registrations (id, status, email, email_verified, invite,
      roles, requested_by, door, key_scope, request_hash, accepted_at)
      SELECT gen_random_uuid(), 'failed', 'many@example.com', true, false, '{a}', ${requestedBy},
        'canonical', '', '', now() FROM generate_series(1, ${count}::int)`);
  const count = () => countRegistrations(ledger.db, { visibleTo: ALL, requestedBy });
  expect(await count()).toBe(0);
  await insert(10_000);
  expect(await count()).toBe(10_000);
  await insert(1);
  expect(await count()).toBeNull();
});
