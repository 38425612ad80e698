import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect } from 'vitest';
import {
  accept,
  findByKey,
  release,
  requestHashOf,
} from '../../../../src/ledger/registrations/accept.ts';
import { CANCELLED, FAILED, Ledger, countByKind, times } from '../ledger-under-test.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { requestCancel } from '../../../../src/ledger/registrations/instructions.ts';
import { test } from '../../../support/ledger-test.ts';

describe('races', () => {
  test('fifty of one e-mail: one accepted, the others name the same holder', async ({ ledger }) => {
    const email = `${randomUUID()}@example.com`;
    const results = await times(50, () => accept(ledger.db, ledger.input({ email })));
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({ accepted: 1, email_taken: 49 });
    const winner = results.flatMap((r) => (r.kind === 'accepted' ? [r.registration.id] : []));
    const holders = results.flatMap((r) => (r.kind === 'email_taken' ? [r.holder.id] : []));
    expect(new Set(holders)).toEqual(new Set(winner));
  });

  test('fifty of one key: one accepted, the others replay the same registration', async ({
    ledger,
  }) => {
    const idempotencyKey = randomUUID();
    const email = `${randomUUID()}@example.com`;
    const results = await times(50, () =>
      accept(ledger.db, ledger.input({ email, idempotencyKey })),
    );
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({ accepted: 1, replayed: 49 });
    const ids = results.flatMap((r) => ('registration' in r ? [r.registration.id] : []));
    expect(new Set(ids).size).toBe(1);
    const [id = ''] = ids;
    expect(await ledger.events(id)).toEqual(['registration.requested']);
  });

  test('fifty of one username in any case, each with its own e-mail: one accepted', async ({
    ledger,
  }) => {
    const name = `Ada-${randomUUID()}`;
    const results = await times(50, (index) =>
      accept(
        ledger.db,
        ledger.input({ username: index % 2 === 0 ? name.toUpperCase() : name.toLowerCase() }),
      ),
    );
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({
      accepted: 1,
      username_taken: 49,
    });
  });

  test('one username in two cases is one, also where the collation lowers I to a dotless ı', async () => {
    const turkish = await Ledger.start(
      2,
      "LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' TEMPLATE template0",
    );
    await turkish.accepted({ username: 'IDA' });
    const again = await accept(turkish.db, turkish.input({ username: 'ida' }));
    await turkish.stop();
    expect(again.kind).toBe('username_taken');
  });

  test('an address that closes and is taken again all the time is never taken twice', async ({
    ledger,
  }) => {
    const email = `${randomUUID()}@example.com`;
    const accepted = await times(20, async () => {
      const result = await accept(ledger.db, ledger.input({ email }));
      if (result.kind !== 'accepted') return null;
      await beginCompensation(ledger.db, result.registration.id, FAILED, CANCELLED, {});
      return await ledger.close(result.registration.id);
    });
    const closed = accepted.flatMap((row) => (row ? [row.status] : []));
    expect(closed.length).toBeGreaterThan(0);
    expect(new Set(closed)).toEqual(new Set(['failed']));
    await ledger.accepted({ email });
  });
});

describe('idempotency key', () => {
  test('is looked up before e-mail and username, and another hash is a reuse', async ({
    ledger,
  }) => {
    const input = ledger.input({ idempotencyKey: randomUUID(), username: randomUUID() });
    await accept(ledger.db, input);
    const again = await accept(ledger.db, { ...input, id: randomUUID() });
    expect(again).toMatchObject({ kind: 'replayed', registration: { id: input.id } });
    const other = { ...input, id: randomUUID(), requestHash: requestHashOf({ other: true }) };
    expect(await accept(ledger.db, other)).toMatchObject({
      kind: 'key_reused',
      registration: { id: input.id },
    });
  });

  test('belongs to its scope', async ({ ledger }) => {
    const idempotencyKey = randomUUID();
    await ledger.accepted({ idempotencyKey, keyScope: 'one' });
    await ledger.accepted({ idempotencyKey, keyScope: 'two' });
    expect(await findByKey(ledger.db, { keyScope: 'three', idempotencyKey })).toBeNull();
  });
});

describe('what a closed registration leaves free', () => {
  test.for(['failed', 'cancelled'] as const)(
    '%s frees key, e-mail and username',
    async (end, { ledger }) => {
      const input = ledger.input({ idempotencyKey: randomUUID(), username: randomUUID() });
      const { id } = await ledger.at(end, input);
      const again = await accept(ledger.db, { ...input, id: randomUUID() });
      expect(again.kind).toBe('accepted');
      expect(again).not.toMatchObject({ registration: { id } });
    },
  );

  test.for([
    'accepted',
    'running',
    'roles_pending',
    'compensating',
    'cleanup_required',
    'completed',
  ] as const)('%s keeps all three', async (status, { ledger }) => {
    const input = ledger.input({ idempotencyKey: randomUUID(), username: randomUUID() });
    const { id } = await ledger.at(status, input);
    const { idempotencyKey, email, username } = input;
    const kindOf = async (wanted: object) =>
      await accept(ledger.db, ledger.input({ requestedBy: 'other', keyScope: 'other', ...wanted }));
    const key = { keyScope: input.keyScope, idempotencyKey, requestHash: input.requestHash };
    expect(await kindOf(key)).toMatchObject({ kind: 'replayed', registration: { id } });
    expect(await kindOf({ email })).toMatchObject({ kind: 'email_taken', holder: { id } });
    expect(await kindOf({ username })).toMatchObject({ kind: 'username_taken', holder: { id } });
  });

  test('released frees e-mail, username and key, once, and only what is completed', async ({
    ledger,
  }) => {
    const input = ledger.input({ username: randomUUID(), idempotencyKey: randomUUID() });
    const { id } = await ledger.at('completed', input);
    await times(5, () => release(ledger.db, id));
    expect((await ledger.events(id)).filter((e) => e === 'registration.released')).toHaveLength(1);
    const { email, username, keyScope, idempotencyKey } = input;
    await ledger.accepted({ email, username, keyScope, idempotencyKey });

    const open = await ledger.at('running');
    await release(ledger.db, open.id);
    expect((await ledger.row(open.id)).releasedAt).toBeNull();
    expect(await ledger.events(open.id)).not.toContain('registration.released');
  });

  test('a completed row whose user was deleted frees them too', async ({ ledger }) => {
    const wanted = ledger.input({ idempotencyKey: randomUUID() });
    const { id, email } = await ledger.at('completed', wanted);
    await ledger.set(id, { userDeletedAt: new Date() });
    const { keyScope, idempotencyKey } = wanted;
    const again = await ledger.accepted({ email, keyScope, idempotencyKey });
    expect(again).toMatchObject({ status: 'accepted', email });
  });
});

describe('the caller’s own parked run', () => {
  test('is resumed by the same e-mail and roles, in any order', async ({ ledger }) => {
    const { id, email } = await ledger.at('roles_pending', { roles: ['a', 'b'] });
    const result = await accept(ledger.db, ledger.input({ email, roles: ['b', 'a'] }));
    expect(result).toMatchObject({
      kind: 'resumed',
      registration: { id, status: 'running', instruction: { kind: 'retry', actor: 'tester' } },
    });
    expect(await ledger.events(id)).toContain('registration.retry_requested');
  });

  test.for([
    ['another caller', { requestedBy: 'other' }],
    ['other roles', { roles: ['a'] }],
    ['more roles', { roles: ['a', 'b', 'c'] }],
    ['a key', { idempotencyKey: randomUUID() }],
  ] as const)('is not resumed with %s', async ([, difference], { ledger }) => {
    const { id, email } = await ledger.at('roles_pending', { roles: ['a', 'b'] });
    const input = ledger.input({ email, roles: ['a', 'b'], ...difference });
    expect(await accept(ledger.db, input)).toMatchObject({ kind: 'email_taken', holder: { id } });
    expect((await ledger.row(id)).status).toBe('roles_pending');
  });

  test('is not resumed against an instruction to cancel', async ({ ledger }) => {
    const { id, email } = await ledger.at('roles_pending');
    await requestCancel(ledger.db, id, { actor: 'alice', reason: null });
    const result = await accept(ledger.db, ledger.input({ email }));
    expect(result).toMatchObject({ kind: 'email_taken', holder: { id } });
  });
});

describe('the row', () => {
  test('a commit whose reply was lost is the same registration when repeated', async ({
    ledger,
  }) => {
    const input = ledger.input();
    await accept(ledger.db, input);
    const again = await accept(ledger.db, input);
    expect(again).toMatchObject({ kind: 'accepted', registration: { id: input.id } });
    expect(await ledger.events(input.id)).toEqual(['registration.requested']);
  });

  test('holds what was sent, and the trail holds no address and no name', async ({ ledger }) => {
    const input = ledger.input({
      firstName: 'Zoë "Z"',
      lastName: "O'Neil\\",
      attributes: { locale: 'de', 'custom:tenant_id': '{1}' },
      roles: ['a,b', 'c"d', 'e\\f', '{g}', 'NULL', '名'],
      idempotencyKey: 'k',
    });
    const { keyScope: _scope, requestHash: _hash, sealedPassword: _seal, ...stored } = input;
    await accept(ledger.db, input);
    expect(await ledger.row(input.id)).toMatchObject({ ...stored, status: 'accepted' });
    const held = await findByKey(ledger.db, { keyScope: 'tester', idempotencyKey: 'k' });
    expect(held).toMatchObject({ registration: stored, requestHash: input.requestHash });
  });

  test('nothing is accepted when the trail refuses', async ({ ledger }) => {
    const input = ledger.input();
    await ledger.refuseAudit('registration.requested');
    await expect(accept(ledger.db, input)).rejects.toMatchObject({ sqlstate: 'P0001' });
    await ledger.allowAudit();
    expect(await accept(ledger.db, input)).toMatchObject({ kind: 'accepted' });
  });
});

describe('requestHashOf', () => {
  test('knows no order of keys, and tells bodies apart', () => {
    expect(requestHashOf({ a: 1, b: { c: [1, 2], d: undefined } })).toBe(
      requestHashOf({ b: { c: [1, 2] }, a: 1 }),
    );
    const bodies = [{ a: 1 }, { a: '1' }, { a: [1] }, { a: null }, {}, { b: 1 }, { a: [1, 2] }];
    expect(new Set(bodies.map(requestHashOf)).size).toBe(bodies.length);
  });

  test('equals exactly where JSON does', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
        const same = requestHashOf(left) === requestHashOf(structuredClone(right));
        expect(same).toBe(canonical(left) === canonical(right));
      }),
    );
  });
});

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
