import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import {
  recordPasswordSet,
  readSealed,
  wipeExpiredSeals,
  wipeOldSeals,
} from '../../../../src/ledger/registrations/password.ts';
import { complete } from '../../../../src/ledger/registrations/transitions.ts';
import type { RegistrationStatus } from '../../../../src/domain/status.ts';
import { createSealing } from '../../../../src/secrets/sealing.ts';
import { Secret } from '../../../../src/secrets/secret.ts';
import { readSource } from '../../../unit/architecture/source.ts';
import { CANCELLED, FAILED, type Ledger, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const SEAL = Buffer.from([1, 2, 0, 255]);
const DAY_MS = 86_400_000;
const WAITING = { status: 'waiting', attempts: 0, lastError: null } as const;

const created = (ledger: Ledger) => ledger.created({ sealedPassword: SEAL, invite: false });
const sealOf = async (ledger: Ledger, id: string) => (await readSealed(ledger.db, id)).sealed;
const aged = async (ledger: Ledger, id: string, ms: number) => {
  const at = new Date(Date.now() - ms);
  await ledger.set(id, { acceptedAt: at, sealedAt: at });
};

describe('the seal', () => {
  test('a sealed password is stored with the row, and its step waits', async ({ ledger }) => {
    const row = await ledger.accepted({ sealedPassword: SEAL });
    expect(row).toMatchObject({ sealedAt: row.acceptedAt, passwordSetAt: null });
    expect(row.steps).toEqual({ setPassword: WAITING });
    expect(Buffer.from((await sealOf(ledger, row.id)) ?? [])).toEqual(SEAL);
    expect(await ledger.accepted()).toMatchObject({ sealedAt: null, steps: {} });
  });

  test('a Registration never contains the sealed password', async ({ ledger }) => {
    expect(Object.keys(await created(ledger))).not.toContain('sealedPassword');
  });

  test('the sealed password is wiped once when the password is set', async ({ ledger }) => {
    const { id } = await created(ledger);
    const first = await recordPasswordSet(ledger.db, id, 2);
    expect(first.steps['setPassword']).toEqual({ status: 'done', attempts: 2, lastError: null });
    expect(await sealOf(ledger, id)).toBeNull();
    const { passwordSetAt } = await recordPasswordSet(ledger.db, id, 3);
    expect(passwordSetAt).toEqual(first.passwordSetAt);
  });

  test.for(['failed', 'cancelled'] as const)(
    'the sealed password is wiped when the row becomes %s',
    async (closesAs, { ledger }) => {
      const { id } = await created(ledger);
      await beginCompensation(ledger.db, id, { ...FAILED, closesAs }, CANCELLED, {});
      expect(await sealOf(ledger, id)).toBeNull();
      expect((await ledger.close(id)).status).toBe(closesAs);
    },
  );

  test.for(['accepted', 'running', 'roles_pending'] as const)(
    'the sealed password is kept in status %s',
    async (status, { ledger }) => {
      const { id } = await ledger.at(status, { sealedPassword: SEAL });
      expect(await sealOf(ledger, id)).not.toBeNull();
    },
  );
});

test('the query of docs/production.md counts the seals of one key', async ({ ledger }) => {
  const { text } = await readSource('docs/production.md');
  const [, query = ''] = /```sql\n(SELECT count[\s\S]*?)```/.exec(text) ?? [];
  const seal = (key: string) =>
    createSealing([{ id: key, key: Buffer.alloc(32) }]).seal(new Secret('x'), key);
  for (const key of ['k1', 'k1', 'k11', 'k2']) {
    await ledger.accepted({ sealedPassword: seal(key) });
  }
  expect([...(await ledger.db.execute(sql.raw(query)))]).toEqual([{ count: '2' }]);
});

describe('complete', () => {
  test('complete refuses until the password is set', async ({ ledger }) => {
    const { id, roles } = await created(ledger);
    expect((await complete(ledger.db, id, roles, {})).kind).toBe('steps_left');
    await recordPasswordSet(ledger.db, id, 1);
    expect((await complete(ledger.db, id, roles, {})).kind).toBe('completed');
  });
});

describe('the database refuses, whoever writes,', () => {
  const refused = (ledger: Ledger, id: string, change: string) =>
    ledger.db.execute(sql.raw(`UPDATE registrations SET ${change} WHERE id = '${id}'`)).then(
      () => null,
      (error: Error) => (error.cause as { constraint_name?: string }).constraint_name,
    );

  test.for<RegistrationStatus>(['completed', 'failed', 'cancelled', 'compensating'])(
    'the database refuses a %s row with a sealed password',
    async (status, { ledger }) => {
      const { id } = await created(ledger);
      const change = `status = '${status}', password_set_at = now()`;
      expect(await refused(ledger, id, change)).toBe('registrations_seal_in_use');
      expect(await refused(ledger, id, `${change}, sealed_password = NULL`)).toBeNull();
    },
  );

  test('the database refuses a sealed password beside one that is set', async ({ ledger }) => {
    const { id } = await created(ledger);
    expect(await refused(ledger, id, 'password_set_at = now()')).toBe('registrations_seal_in_use');
  });

  test('the database refuses a completed row whose password was never set', async ({ ledger }) => {
    const { id } = await created(ledger);
    const change = `status = 'completed', sealed_password = NULL`;
    expect(await refused(ledger, id, change)).toBe('registrations_password_set');
  });
});

describe('old seals', () => {
  test('old sealed passwords are wiped after their time, and not before', async ({ ledger }) => {
    const [old, young] = [await created(ledger), await created(ledger)];
    await aged(ledger, old.id, DAY_MS + 1000);
    await aged(ledger, young.id, DAY_MS - 60_000);
    expect(await wipeOldSeals(ledger.db, DAY_MS, 100)).toBe(1);
    expect(await sealOf(ledger, old.id)).toBeNull();
    expect(await sealOf(ledger, young.id)).not.toBeNull();
    // That there was a password stays known: without it nothing may complete.
    expect((await ledger.row(old.id)).sealedAt).not.toBeNull();
    expect(await wipeOldSeals(ledger.db, DAY_MS, 100)).toBe(0);
  });

  test('old sealed passwords are wiped in batches', async ({ ledger }) => {
    for (let count = 0; count < 3; count += 1)
      await aged(ledger, (await created(ledger)).id, DAY_MS + 1000);
    const wipe = () => wipeOldSeals(ledger.db, DAY_MS, 2);
    expect([await wipe(), await wipe(), await wipe()]).toEqual([2, 1, 0]);
  });

  test('many processes wipe an old sealed password once', async ({ ledger }) => {
    for (let count = 0; count < 5; count += 1)
      await aged(ledger, (await created(ledger)).id, DAY_MS + 1000);
    const wiped = await times(8, () => wipeExpiredSeals(ledger.db, () => true));
    expect(wiped.reduce((sum, count) => sum + count, 0)).toBe(5);
  });

  test('wiping a parked row’s sealed password brings its scheduled resume forward', async ({
    ledger,
  }) => {
    const { id } = await created(ledger);
    await ledger.parked(id, 'far', 100_000);
    await aged(ledger, id, 2 * DAY_MS);
    await wipeOldSeals(ledger.db, DAY_MS, 100);
    const { nextResumeAt } = await ledger.row(id);
    expect(nextResumeAt?.getTime()).toBeLessThanOrEqual(Date.now());
  });
});
