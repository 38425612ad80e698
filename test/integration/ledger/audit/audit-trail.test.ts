import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { accept } from '../../../../src/ledger/registrations/accept.ts';
import { appendAuditEvent } from '../../../../src/ledger/audit/audit-trail.ts';
import { atEdge } from '../../../../src/ledger/database-error.ts';
import { listAuditEvents, readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { STATUSES } from '../../../../src/domain/status.ts';
import { times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

describe('append-only', () => {
  test.for([
    `UPDATE audit_events SET actor = 'somebody else'`,
    `UPDATE audit_events SET details = details`,
    `DELETE FROM audit_events`,
    `TRUNCATE audit_events`,
    `TRUNCATE audit_events, registrations CASCADE`,
    `MERGE INTO audit_events a USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE`,
    `INSERT INTO audit_events SELECT * FROM audit_events
       ON CONFLICT (registration_id, event, key) DO UPDATE SET actor = 'somebody else'`,
  ])('the audit trail is append-only: %s is refused', async (statement, { ledger }) => {
    const { id } = await ledger.accepted();
    const before = await readTimeline(ledger.db, id);
    await expect(atEdge(() => ledger.db.execute(sql.raw(statement)))).rejects.toMatchObject({
      name: 'DatabaseError',
    });
    expect(await readTimeline(ledger.db, id)).toEqual(before);
    expect(before).toHaveLength(1);
  });

  test('the trigger of the audit trail refuses with a definitive error', async ({ ledger }) => {
    await ledger.accepted();
    for (const statement of ['UPDATE audit_events SET key = key', 'DELETE FROM audit_events']) {
      await expect(atEdge(() => ledger.db.execute(sql.raw(statement)))).rejects.toMatchObject({
        sqlstate: 'P0001',
        definitive: true,
      });
    }
  });
});

describe('append', () => {
  test('an audit event is appended once per registration, event and key, also fifty times at once', async ({
    ledger,
  }) => {
    const registrationId = randomUUID();
    const event = { event: 'registration.parked', registrationId, actor: 'system' } as const;
    await times(50, (index) => appendAuditEvent(ledger.db, { ...event, key: `${index % 2}` }));
    expect(await readTimeline(ledger.db, registrationId)).toHaveLength(2);
  });

  test('audit events about no registration are never treated as duplicates', async ({ ledger }) => {
    const administrator = {
      event: 'administrator.created',
      registrationId: null,
      userId: randomUUID(),
      actor: 'system',
    } as const;
    await appendAuditEvent(ledger.db, administrator);
    await appendAuditEvent(ledger.db, administrator);
    const { userId } = administrator;
    const { items } = await listAuditEvents(ledger.db, { userId, limit: 10 });
    expect(items).toHaveLength(2);
  });

  test('an audit event records its transaction and the time of its statement', async ({
    ledger,
  }) => {
    const registrationId = randomUUID();
    const event = { event: 'registration.parked', registrationId, actor: 'system' } as const;
    await ledger.db.transaction(async (tx) => {
      await appendAuditEvent(tx, { ...event, key: '1' });
      await appendAuditEvent(tx, { ...event, key: '2' });
    });
    await appendAuditEvent(ledger.db, { ...event, key: '3' });
    const rows = await ledger.db.execute<{ key: string; tx: string; seq: string }>(
      sql`SELECT key, tx_id::text AS tx, seq::text FROM audit_events
        WHERE registration_id = ${registrationId}::uuid ORDER BY key`,
    );
    const [one, two, three] = rows;
    expect(two?.tx).toBe(one?.tx);
    expect(three?.tx).not.toBe(one?.tx);
    expect(Number(two?.seq)).toBeGreaterThan(Number(one?.seq));
  });
});

test('the trail of every ending holds neither address nor name', async ({ ledger }) => {
  const secrets = {
    email: `carol-${randomUUID()}@example.com`,
    username: `carol-${randomUUID()}`,
    firstName: 'Caroline',
    lastName: 'Carolsson',
    attributes: { locale: 'secret-locale' },
  };
  for (const status of STATUSES) {
    const email = `${status}-${secrets.email}`;
    const { id } = await ledger.at(status, {
      ...secrets,
      email,
      username: `${status}-${secrets.username}`,
    });
    await accept(ledger.db, ledger.input({ email }));
    const trail = JSON.stringify(await readTimeline(ledger.db, id));
    expect(trail).not.toMatch(/carol|secret-locale|@/i);
    expect(trail).toContain('registration.requested');
  }
});
