import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect } from 'vitest';
import { accept, findByKey, requestHashOf } from '../../../../src/ledger/registrations/accept.ts';
import { release } from '../../../../src/ledger/registrations/release.ts';
import { CANCELLED, FAILED, Ledger, countByKind, times } from '../ledger-under-test.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { requestCancel } from '../../../../src/ledger/registrations/instructions.ts';
import { test } from '../../../support/ledger-test.ts';

describe('races', () => {
  test('of fifty simultaneous requests for one e-mail one is accepted, and the others name the same holder', async ({
    ledger,
  }) => {
    const email = `${randomUUID()}@example.com`;
    const results = await times(50, () => accept(ledger.db, ledger.input({ email })));
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({ accepted: 1, email_taken: 49 });
    const winner = results.flatMap((r) => (r.kind === 'accepted' ? [r.registration.id] : []));
    const holders = results.flatMap((r) => (r.kind === 'email_taken' ? [r.holder.id] : []));
    expect(new Set(holders)).toEqual(new Set(winner));
  });

  test('of fifty simultaneous requests with one key one is accepted, and the others replay it', async ({
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

  test('of fifty simultaneous requests for one username in any case one is accepted', async ({
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

  test('a username in two cases is one, also where the collation lowers I to a dotless ı', async () => {
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
  test('the idempotency key is looked up before e-mail and username, and another hash is a reuse', async ({
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

  test('an idempotency key belongs to its scope', async ({ ledger }) => {
    const idempotencyKey = randomUUID();
    await ledger.accepted({ idempotencyKey, keyScope: 'one' });
    await ledger.accepted({ idempotencyKey, keyScope: 'two' });
    expect(await findByKey(ledger.db, { keyScope: 'three', idempotencyKey })).toBeNull();
  });
});

describe('what a closed registration leaves free', () => {
  test.for(['failed', 'cancelled'] as const)(
    'a row that is %s frees key, e-mail and username',
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
  ] as const)('a row that is %s keeps key, e-mail and username', async (status, { ledger }) => {
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

  test('releasing a completed row frees e-mail, username and key once', async ({ ledger }) => {
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

  test('a completed row whose user was deleted frees e-mail, username and key', async ({
    ledger,
  }) => {
    const wanted = ledger.input({ idempotencyKey: randomUUID() });
    const { id, email } = await ledger.at('completed', wanted);
    await ledger.set(id, { userDeletedAt: new Date() });
    const { keyScope, idempotencyKey } = wanted;
    const again = await ledger.accepted({ email, keyScope, idempotencyKey });
    expect(again).toMatchObject({ status: 'accepted', email });
  });
});

describe('the caller’s own parked run', () => {
  test('the caller’s parked run is resumed by the same e-mail and roles, in any order', async ({
    ledger,
  }) => {
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
  ] as const)('a parked run is not resumed with %s', async ([, difference], { ledger }) => {
    const { id, email } = await ledger.at('roles_pending', { roles: ['a', 'b'] });
    const input = ledger.input({ email, roles: ['a', 'b'], ...difference });
    expect(await accept(ledger.db, input)).toMatchObject({ kind: 'email_taken', holder: { id } });
    expect((await ledger.row(id)).status).toBe('roles_pending');
  });

  test('a parked run with an instruction to cancel is not resumed', async ({ ledger }) => {
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

  test('the row holds what was sent, and the trail holds no address and no name', async ({
    ledger,
  }) => {
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
  test('requestHashOf ignores the order of keys and distinguishes bodies', () => {
    expect(requestHashOf({ a: 1, b: { c: [1, 2], d: undefined } })).toBe(
      requestHashOf({ b: { c: [1, 2] }, a: 1 }),
    );
    const bodies = [{ a: 1 }, { a: '1' }, { a: [1] }, { a: null }, {}, { b: 1 }, { a: [1, 2] }];
    expect(new Set(bodies.map(requestHashOf)).size).toBe(bodies.length);
  });

  test('requestHashOf equals exactly where the JSON is equal', () => {
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
