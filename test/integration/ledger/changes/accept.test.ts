import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import type { Change } from '../../../../src/domain/change.ts';
import { passAddressOn } from '../../../../src/ledger/registrations/replacement.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { release } from '../../../../src/ledger/registrations/release.ts';
import { countByKind, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';
import { changeInput } from '../../../support/change-input.ts';
import { acceptChange } from '../../../../src/ledger/changes/accept.ts';
import { Person } from './person-under-test.ts';

const statusesOf = (changes: readonly Change[]) => changes.map(({ status }) => status);

describe('an accepted change', () => {
  test('is a row and an audit event of its own', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const change = await person.accepted('roles', { roles: ['editor'], reason: 'moved on' });
    expect(change).toMatchObject({
      status: 'accepted',
      kind: 'roles',
      userId: person.userId,
      registrationId: person.registrationId,
      roles: ['editor'],
      begunAt: null,
    });
    expect(await person.events(change.id)).toEqual(['change.requested']);
    expect(await ledger.events(person.registrationId)).toEqual([
      'registration.requested',
      'user.registered',
    ]);
  });

  test('repeated after a lost reply to its COMMIT is the same change', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const input = changeInput(person.userId, 'disable', { idempotencyKey: 'lost' });
    const first = await acceptChange(ledger.db, input, null);
    const again = await acceptChange(ledger.db, input, null);
    expect(again).toMatchObject({ kind: 'accepted', wake: 'interrupt' });
    expect(again).toMatchObject({ change: { id: input.id } });
    expect(first.kind).toBe('accepted');
    expect(await person.events(input.id)).toEqual(['change.requested']);
  });

  test('with the same key and body is replayed, with another body refused', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const key = { idempotencyKey: randomUUID() };
    const { id } = await person.accepted('sign_out', key);
    expect(await person.request('sign_out', key)).toMatchObject({
      kind: 'replayed',
      change: { id },
    });
    const other = await person.request('sign_out', { ...key, requestHash: 'other' });
    expect(other).toMatchObject({ kind: 'key_reused', change: { id } });
  });

  test('with a key that a change of another person holds is refused', async ({ ledger }) => {
    const [one, other] = [await Person.registered(ledger), await Person.registered(ledger)];
    const key = { idempotencyKey: randomUUID() };
    await one.accepted('sign_out', key);
    expect(await other.request('sign_out', key)).toMatchObject({ kind: 'key_reused' });
  });

  test('leaves its key free once it has failed or was cancelled', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const key = { idempotencyKey: randomUUID() };
    const failed = await person.at('failed', 'roles', key);
    const again = await person.accepted('roles', key);
    expect(again.id).not.toBe(failed.id);
  });

  test('of one key is one of twenty simultaneous requests', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const key = { idempotencyKey: randomUUID() };
    const results = await times(20, () => person.request('sign_out', key));
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({ accepted: 1, replayed: 19 });
  });

  test('is replayed to a request that waited for it, whatever the caller may do by then', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    const input = () => changeInput(person.userId, 'sign_out', { idempotencyKey: 'waited' });
    const first = input();
    const { later } = await person.acceptedBefore(first, () =>
      acceptChange(ledger.db, input(), null, undefined, async () => false),
    );
    expect(later).toMatchObject({ kind: 'replayed', change: { id: first.id } });
  });
});

describe('no change is accepted', () => {
  test('of a person whose registration is open, closed, released or unknown', async ({
    ledger,
  }) => {
    const rows = [
      await ledger.at('running'),
      await ledger.at('roles_pending'),
      await ledger.at('failed'),
    ];
    const released = await Person.registered(ledger);
    await release(ledger.db, released.registrationId);
    const ids = [...rows.map(({ userId }) => userId ?? ''), released.userId, 'nobody'];
    for (const userId of ids) {
      const result = await acceptChange(ledger.db, changeInput(userId, 'disable'), null);
      expect(result).toEqual({ kind: 'not_there' });
    }
  });

  test('of a sign-up that is being replaced', async ({ ledger }) => {
    const person = await signedUp(ledger);
    const passed = ledger.db.transaction((tx) =>
      passAddressOn(tx, person.registrationId, randomUUID()),
    );
    expect(await passed).toBe(true);
    expect(await person.request('roles')).toEqual({ kind: 'not_there' });
  });

  test('where the guard of administrators refuses', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const result = await person.request('disable', {}, async () => true);
    expect(result).toEqual({ kind: 'last_administrator' });
    const [count] = await ledger.db.execute(sql`SELECT count(*)::int AS n FROM changes
      WHERE user_id = ${person.userId}`);
    expect(count).toEqual({ n: 0 });
  });
});

test('the address of a person with an open change is not passed on', async ({ ledger }) => {
  const person = await signedUp(ledger);
  await person.accepted('enable');
  const passed = ledger.db.transaction((tx) =>
    passAddressOn(tx, person.registrationId, randomUUID()),
  );
  expect(await passed).toBe(false);
});

test('the address of a person is not passed on by who waited while a change was accepted', async ({
  ledger,
}) => {
  const person = await signedUp(ledger);
  const { accepted, later } = await person.acceptedBefore(
    changeInput(person.userId, 'enable'),
    () => ledger.db.transaction((tx) => passAddressOn(tx, person.registrationId, randomUUID())),
  );
  expect([accepted.kind, later]).toEqual(['accepted', false]);
});

test('no change is accepted of a person whose address was passed on while it waited', async ({
  ledger,
}) => {
  const person = await signedUp(ledger);
  const replacing = await ledger.db.transaction(async (tx) => {
    expect(await passAddressOn(tx, person.registrationId, randomUUID())).toBe(true);
    const requested = person.request('enable');
    await expect.poll(() => ledger.waiting()).toBe(1);
    return { requested };
  });
  expect(await replacing.requested).toEqual({ kind: 'not_there' });
});

describe('disable, sign-out and delete', () => {
  test.for(['disable', 'sign_out', 'delete'] as const)(
    '%s ends earlier changes of roles: at once before they have begun, else by an instruction',
    async (kind, { ledger }) => {
      const person = await Person.registered(ledger);
      const begun = await person.begun('roles');
      const parked = await person.at('parked', 'roles');
      const waiting = await person.accepted('roles');
      const enable = await person.accepted('enable');
      await person.accepted(kind, { requestedBy: 'bob' });
      const rows = await Promise.all(
        [begun, parked, waiting, enable].map(({ id }) => person.row(id)),
      );
      expect(statusesOf(rows)).toEqual(['running', 'parked', 'cancelled', 'accepted']);
      expect(rows.map(({ instruction }) => instruction?.actor ?? null)).toEqual([
        'bob',
        'bob',
        'bob',
        null,
      ]);
      expect(await person.events(waiting.id)).toEqual([
        'change.requested',
        'change.cancel_requested',
        'change.cancelled',
      ]);
      const later = await person.accepted('roles');
      expect((await person.row(later.id)).instruction).toBeNull();
    },
  );

  test('enable ends no change', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const roles = await person.accepted('roles');
    const result = await person.request('enable');
    expect(result).toMatchObject({ wake: 'accepted' });
    expect((await person.row(roles.id)).status).toBe('accepted');
  });

  test('among twenty simultaneous contradicting requests cancel exactly the roles accepted before', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    const kinds = ['roles', 'disable', 'roles', 'enable'] as const;
    const results = await times(20, (index) => person.request(kinds[index % 4] ?? 'roles'));
    const rows = await Promise.all(
      results.map((result) => person.row(result.kind === 'accepted' ? result.change.id : '')),
    );
    const inOrder = rows.toSorted((a, b) => a.position - b.position);
    const lastDisable = Math.max(
      ...inOrder.map(({ kind, position }) => (kind === 'disable' ? position : 0)),
    );
    for (const { kind, position, status } of inOrder) {
      const isOvertaken = kind === 'roles' && position < lastDisable;
      expect(status).toBe(isOvertaken ? 'cancelled' : 'accepted');
    }
    // Positions and times of acceptance agree: each waited for the one before.
    const at = inOrder.map(({ acceptedAt }) => acceptedAt.getTime());
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    const own = await readTimeline(ledger.db, person.registrationId);
    expect(own.map(({ event }) => event)).not.toContain('change.requested');
  });
});

async function signedUp(ledger: Parameters<typeof Person.registered>[0]): Promise<Person> {
  return await Person.registered(ledger, {
    door: 'signup',
    requestedBy: 'door:signup',
    emailVerified: false,
    roles: [],
    invite: false,
  });
}
