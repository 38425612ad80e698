import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { CHANGE_KINDS, CHANGE_STATUSES } from '../../../../src/domain/change.ts';
import { completeChange } from '../../../../src/ledger/changes/complete.ts';
import { requestChangeCancel } from '../../../../src/ledger/changes/instructions.ts';
import { readChangeTimeline } from '../../../../src/ledger/changes/read.ts';
import { beginRestoring, nextChange } from '../../../../src/ledger/changes/transitions.ts';
import { recordWrite } from '../../../../src/ledger/changes/writes.ts';
import { stepDone } from '../../../../src/ledger/work/steps.ts';
import { ALICE, countByKind, times } from '../ledger-under-test.ts';
import { changeInput } from '../../../support/change-input.ts';
import { test } from '../../../support/ledger-test.ts';
import { FAILS, Person } from './person-under-test.ts';

const EVENTS = {
  roles: { audit: 'user.roles_changed', outbox: ['user.roles_changed'] },
  disable: { audit: 'user.disabled', outbox: ['user.disabled'] },
  enable: { audit: 'user.enabled', outbox: ['user.enabled'] },
  sign_out: { audit: 'user.signed_out_everywhere', outbox: [] },
  delete: { audit: 'user.deleted', outbox: ['user.deleted'] },
} as const;
const CUT_OFFS = {
  roles: { sessions: false, roles: true },
  disable: { sessions: true, roles: false },
  enable: { sessions: false, roles: false },
  sign_out: { sessions: true, roles: false },
  delete: { sessions: true, roles: false },
};

describe('a completed change', () => {
  test('of kind delete leaves the profile to the sweep where no call told the profile service', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('delete');
    await ledger.set(person.registrationId, {
      wantsProfile: true,
      profileId: 'p-1',
      profileOutcome: 'created',
    });
    await completeChange(ledger.db, id, { complete: stepDone(1) });
    expect((await ledger.row(person.registrationId)).profileStrayAt).not.toBeNull();
  });

  test.for(CHANGE_KINDS)(
    'of kind %s has one audit event, one event for others and its end of tokens, however often it is repeated',
    async (kind, { ledger }) => {
      const person = await Person.registered(ledger);
      const { id } = await person.begun(kind);
      const told: string[] = [];
      const results = await times(10, () =>
        completeChange(ledger.db, id, { complete: stepDone(1) }, (change) => told.push(change.id)),
      );
      expect(countByKind(results.map((result) => result.kind))).toEqual({ completed: 10 });
      expect(told).toEqual([id]);
      expect(await person.row(id)).toMatchObject({
        status: 'completed',
        steps: { complete: stepDone(1) },
      });
      expect(await person.events(id)).toEqual(['change.requested', EVENTS[kind].audit]);
      expect(await person.outbox()).toEqual(EVENTS[kind].outbox);
      expect(await person.cutOffs()).toEqual(CUT_OFFS[kind]);
    },
  );

  test('of roles says in the trail which were added and removed', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.at('completed', 'roles', { roles: ['editor'] });
    expect((await readChangeTimeline(ledger.db, id)).at(-1)).toMatchObject({
      actor: 'alice',
      userId: person.userId,
      registrationId: person.registrationId,
      details: { changeId: id, added: ['editor'], removed: ['viewer'] },
    });
  });

  test.for(CHANGE_STATUSES)(
    'comes from status %s only if it has begun and is open',
    async (status, { ledger }) => {
      const person = await Person.registered(ledger);
      const { id } = await person.at(status, 'enable');
      const { kind } = await completeChange(ledger.db, id, {});
      const completes = ['running', 'parked', 'completed'].includes(status);
      expect(kind).toBe(completes ? 'completed' : 'not_forward');
      expect((await person.row(id)).status).toBe(completes ? 'completed' : status);
    },
  );

  test('does not come from one that is to be cancelled or put back', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const told = await person.begun('enable');
    await requestChangeCancel(ledger.db, told.id, ALICE);
    const restoring = await person.begun('enable');
    await beginRestoring(ledger.db, restoring.id, FAILS, {});
    for (const { id } of [told, restoring]) {
      expect((await completeChange(ledger.db, id, {})).kind).toBe('not_forward');
    }
    expect(await person.outbox()).toEqual([]);
  });

  test('and a simultaneous cancel never both happen', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    for (let round = 0; round < 10; round += 1) {
      const { id } = await person.begun('enable');
      const [completed, cancelled] = await Promise.all([
        completeChange(ledger.db, id, {}),
        requestChangeCancel(ledger.db, id, ALICE),
      ]);
      const isCompleted = completed.kind === 'completed';
      expect(cancelled.kind).toBe(isCompleted ? 'already_closed' : 'done');
      expect((await person.row(id)).status).toBe(isCompleted ? 'completed' : 'running');
    }
  });
});

test('a change of roles that completes while a disable is accepted is cancelled, without a deadlock', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  const roles = await person.begun('roles');
  const { accepted, later } = await person.acceptedBefore(
    changeInput(person.userId, 'disable'),
    () => completeChange(ledger.db, roles.id, {}),
  );
  expect([accepted.kind, later.kind]).toEqual(['accepted', 'not_forward']);
  expect(await person.row(roles.id)).toMatchObject({ status: 'running', instruction: {} });
});

describe('a completed deletion', () => {
  test('frees the address, erases the person and ends every other open change', async ({
    ledger,
  }) => {
    const email = 'gone@example.com';
    const person = await Person.registered(ledger, { email, username: 'gone' });
    const key = { idempotencyKey: 'key', reason: 'in the words of alice' };
    const begun = await person.begun('roles', key);
    const parked = await person.at('parked', 'roles');
    const deletion = await person.begun('delete', key);
    const later = await person.accepted('roles', { requestedBy: 'bob' });
    const told: string[] = [];
    await completeChange(ledger.db, deletion.id, {}, ({ status }) => told.push(status));
    expect(countByKind(told)).toEqual({ completed: 1, cancelled: 3 });
    expect(await nextChange(ledger.db, person.userId, 'run')).toBeNull();
    expect(await person.events(later.id)).toEqual(['change.requested', 'change.cancelled']);
    for (const { id } of [begun, parked, deletion, later]) {
      expect((await person.row(id)).idempotencyKey).toBeNull();
    }
    const personal = await ledger.db
      .execute(sql`SELECT 1 FROM changes WHERE user_id = ${person.userId}
      AND num_nonnulls(reason, key_scope, idempotency_key, request_hash, instruction_reason) > 0`);
    expect(personal).toHaveLength(0);
    const row = await ledger.row(person.registrationId);
    expect(row).toMatchObject({ status: 'completed', email: null, username: null });
    expect(row.userDeletedAt).not.toBeNull();
    expect(await person.outbox()).toEqual(['user.deleted']);
    expect(await ledger.accepted({ email, username: 'gone' })).toMatchObject({ email });
    expect(await person.request('enable')).toEqual({ kind: 'not_there' });
  });

  test('and a simultaneous acceptance leave no open change of somebody who is gone', async ({
    ledger,
  }) => {
    for (let round = 0; round < 10; round += 1) {
      const person = await Person.registered(ledger);
      const deletion = await person.begun('delete');
      await Promise.all([
        completeChange(ledger.db, deletion.id, {}),
        ...(['roles', 'enable', 'disable'] as const).map((kind) => person.request(kind)),
      ]);
      expect(await nextChange(ledger.db, person.userId, 'run')).toBeNull();
    }
  });

  test('lets no late write of another change of the person begin', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const roles = await person.begun('roles');
    const restoring = await person.begun('enable');
    await beginRestoring(ledger.db, restoring.id, FAILS, {});
    const deletion = await person.begun('delete');
    await completeChange(ledger.db, deletion.id, {});
    expect(await recordWrite(ledger.db, roles.id, 'assignRole:editor', 'forward')).toBeNull();
    expect(await recordWrite(ledger.db, restoring.id, 'disableUser', 'restore')).toBeNull();
    expect((await person.row(restoring.id)).status).toBe('failed');
  });
});
