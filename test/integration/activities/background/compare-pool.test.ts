import { randomUUID } from 'node:crypto';
import {
  AdminGetUserCommand,
  AdminUpdateUserAttributesCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import {
  comparePool,
  type ComparePoolDeps,
} from '../../../../activities/background/compare-pool.ts';
import type { Comparison, PoolFinding, RolesDiffer } from '../../../../activities/contract.ts';
import { createUser } from '../../../../activities/registration/create-user.ts';
import { deleteUser } from '../../../../activities/registration/delete-user.ts';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import {
  ledgerSeenUsers,
  seenUsersInMemory,
} from '../../../../activities/background/seen-users.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import { isClean } from '../../../../src/ledger/compare.ts';
import { release } from '../../../../src/ledger/registrations/release.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { addRole, addUser, removeRole, removeUser } from '../../../support/pool-user.ts';
import { closeProved } from '../../../support/close-proved.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';
import { known, type Known } from '../../../support/known.ts';

test.beforeEach(async ({ steps }) => {
  await steps.pool.clearFaults();
  await steps.pool.clearCalls();
});

/** A clock of the test's own: waiting takes no time, and each call takes a hundredth of a second. */
function ownClock() {
  let now = Date.now();
  const calls: number[] = [];
  return {
    calls,
    clock: {
      now: () => now,
      pause: async (ms: number) => {
        now += ms;
      },
    },
    called: () => {
      calls.push(now);
      now += 10;
    },
  };
}

function comparison(steps: Steps, over: Partial<ComparePoolDeps> = {}): ComparePoolDeps {
  const { db, log } = steps.context();
  const { clock, called } = ownClock();
  return {
    db,
    log,
    provider: watched(steps, called),
    propagationGraceSeconds: 0,
    seenUsers: ledgerSeenUsers(db),
    clock,
    ...over,
  };
}

function watched(steps: Steps, called: () => void): ComparePoolDeps['provider'] {
  const provider = steps.provider();
  return {
    listUsers: (...args) => (called(), provider.listUsers(...args)),
    readUser: (...args) => (called(), provider.readUser(...args)),
    rolesOf: (...args) => (called(), provider.rolesOf(...args)),
  };
}

const completed = async (steps: Steps): Promise<Known> => {
  const { id } = await steps.begun();
  return known((await registerAtOnce(steps.context(), id)).row);
};
const failed = async (steps: Steps): Promise<Known> => {
  const { id } = await steps.begun();
  const cause = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
  await beginCompensation(steps.db, id, cause, cause.failure, {});
  await deleteUser(steps.context(), id);
  return known(await closeProved(steps.db, id));
};
const subOf = async (steps: Steps, email: string): Promise<string | null> => {
  const at = { UserPoolId: steps.pool.userPoolId, Username: email };
  const { UserAttributes } = await steps.pool.client.send(new AdminGetUserCommand(at));
  return UserAttributes?.find(({ Name }) => Name === 'sub')?.Value ?? null;
};
/** A user behind Registrar's back; its sub. */
const plant = async (steps: Steps, mark?: string): Promise<string | null> => {
  const email = `${randomUUID()}@planted.example`;
  await addUser(steps.pool, email, mark === undefined ? {} : { mark });
  return await subOf(steps, email);
};
const everything = async (steps: Steps) =>
  JSON.stringify(
    await Promise.all(
      ['registrations', 'audit_events', 'outbox', 'outbox_deliveries', 'pool_seen_users'].map(
        (table) => steps.db.execute(sql.raw(`SELECT * FROM ${table} t ORDER BY t::text`)),
      ),
    ),
  );
const byKind = (findings: readonly PoolFinding[]) =>
  findings.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));

test('a comparison of an equal pool finds nothing, looks nobody up and counts foreign users', async ({
  steps,
}) => {
  await completed(steps);
  await createUser(steps.context(), await steps.begun());
  await plant(steps);
  await failed(steps);
  await steps.pool.clearCalls();
  const { stage, report } = await comparePool(comparison(steps), null);
  expect({ stage, ...report }).toEqual({
    stage: 'done',
    users: 3,
    agreeing: 1,
    underWay: 1,
    foreign: 1,
    young: 0,
    asked: 0,
    unasked: 0,
    orphan: 0,
    leftover: 0,
    twin: 0,
    vanished: 0,
    unmarked: 0,
    findings: [],
    rolesRead: expect.any(Number),
    rolesDiffer: 0,
    advice: [],
  });
  expect(isClean(report)).toBe(true);
  // AdminGetUser is billed: who is listed is not asked for.
  expect((await steps.pool.calls())['AdminGetUser']).toBeUndefined();
});

test('a comparison names every kind of difference and changes nothing', async ({ steps }) => {
  const vanished = await completed(steps);
  await removeUser(steps.pool, vanished.email);
  const unmarked = await completed(steps);
  await steps.pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: steps.pool.userPoolId,
      Username: unmarked.email,
      UserAttributes: [{ Name: 'custom:registration_id', Value: '' }],
    }),
  );
  const doubled = await completed(steps);
  const undone = await failed(steps);
  const released = await completed(steps);
  await release(steps.db, released.id);
  const nobody = randomUUID();
  const expected: PoolFinding[] = [
    { kind: 'orphan', registrationId: nobody, userId: await plant(steps, nobody) },
    // What a stranger wrote into the mark may be an address: it is not repeated.
    { kind: 'orphan', registrationId: null, userId: await plant(steps, 'ada@example.com') },
    { kind: 'twin', registrationId: doubled.id, userId: await plant(steps, doubled.id) },
    { kind: 'leftover', registrationId: undone.id, userId: await plant(steps, undone.id) },
    { kind: 'leftover', registrationId: released.id, userId: released.userId },
    { kind: 'vanished', registrationId: vanished.id, userId: vanished.userId },
    { kind: 'unmarked', registrationId: unmarked.id, userId: unmarked.userId },
  ];

  const before = await everything(steps);
  const dry = await comparePool(comparison(steps, { seenUsers: seenUsersInMemory() }), null);
  expect(await everything(steps)).toBe(before);
  expect(byKind(dry.report.findings)).toEqual(byKind(expected));
  expect(dry.report).toMatchObject({ orphan: 2, twin: 1, leftover: 2, vanished: 1, unmarked: 1 });
  expect(isClean(dry.report)).toBe(false);

  await steps.pool.clearCalls();
  const { report } = await comparePool(comparison(steps), null);
  expect(report).toEqual(dry.report);
  // The absent one is asked for twice, the one without its mark once.
  expect((await steps.pool.calls())['AdminGetUser']?.calls).toBe(3);
  expect((await steps.row(vanished.id)).releasedAt).toBeNull();
  expect(await subOf(steps, released.email)).toBe(released.userId);
});

test('a comparison reports differing roles as advice, always for replaced roles and by sampling for others', async ({
  steps,
}) => {
  const replaced = await completed(steps);
  const other = await completed(steps);
  await steps.db.execute(sql`UPDATE registrations SET roles_replaced_at = clock_timestamp(),
    roles_touched = '{viewer,manager}' WHERE id = ${replaced.id}::uuid`);
  await removeRole(steps.pool, replaced.email, 'viewer');
  await addRole(steps.pool, replaced.email, 'manager');
  await addRole(steps.pool, replaced.email, 'researcher');
  await removeRole(steps.pool, other.email, 'viewer');
  const differs = { kind: 'roles_differ', registrationId: replaced.id, userId: replaced.userId };
  const DAY = 86_400_000;
  const { clock, called } = ownClock();
  const seen = new Set<string>();
  const always: RolesDiffer[] = [];
  let days = 0;
  for (let day = 1; day <= 64; day += 1) {
    const from: Comparison = {
      ...(await comparePool(comparison(steps, { provider: watched(steps, called), clock }), null)),
      startedAt: Math.floor(Date.now() / DAY) * DAY + day * DAY,
      stage: 'rows',
      afterRow: null,
    };
    const seenUsers = seenUsersInMemory();
    await seenUsers.note([replaced.id, other.id], new Date());
    const empty = { ...from.report, rolesRead: 0, rolesDiffer: 0, advice: [] };
    const at = await comparePool(
      comparison(steps, { provider: watched(steps, called), clock, seenUsers }),
      {
        ...from,
        report: empty,
      },
    );
    days += 1;
    for (const advice of at.report.advice) {
      if (advice.registrationId === replaced.id) always.push(advice);
      seen.add(advice.registrationId);
    }
    if (seen.has(other.id)) break;
  }
  const expected = { ...differs, missing: ['viewer'], left: ['manager'] };
  expect(always).toEqual(Array.from({ length: days }, () => expected));
  expect(seen).toContain(other.id);
});

test('a comparison ignores recent users and recently finished rows, because lists lag', async ({
  steps,
}) => {
  const gone = await completed(steps);
  await removeUser(steps.pool, gone.email);
  await plant(steps, randomUUID());
  const { report } = await comparePool(comparison(steps, { propagationGraceSeconds: 3600 }), null);
  expect(isClean(report)).toBe(true);
  expect(report.young).toBeGreaterThanOrEqual(1);
});

test('a comparison looks up a user that the list lacks before it reports a difference', async ({
  steps,
}) => {
  const hidden = await completed(steps);
  const provider = steps.provider();
  const { report } = await comparePool(
    comparison(steps, {
      provider: {
        ...provider,
        listUsers: async (page, signal) => {
          const listed = await provider.listUsers(page, signal);
          return { ...listed, users: listed.users.filter(({ mark }) => mark !== hidden.id) };
        },
      },
    }),
    null,
  );
  expect(report.findings.filter(({ registrationId }) => registrationId === hidden.id)).toEqual([]);
  expect(report.asked).toBeGreaterThanOrEqual(1);
});

test('a comparison makes at most five calls a second and resumes where it stopped', async ({
  steps,
}) => {
  await Promise.all(Array.from({ length: 130 }, () => plant(steps)));
  const { clock, calls, called } = ownClock();
  const begin = (over: Partial<ComparePoolDeps>) =>
    comparison(steps, { clock, provider: watched(steps, called), ...over });
  const whole = await comparePool(begin({}), null);
  expect(calls.length).toBeGreaterThan(5);
  const fifthAfter = calls.slice(5).map((time, index) => time - (calls[index] ?? 0));
  expect(Math.min(...fifthAfter)).toBeGreaterThanOrEqual(1000);

  // Ended after each of its steps, and gone on with by another.
  await steps.pool.clearCalls();
  let at: Comparison | null = null;
  let shifts = 0;
  do {
    const stopping = new AbortController();
    const heartbeat = () => stopping.abort();
    at = await comparePool(begin({ stopping: stopping.signal, heartbeat }), at);
    shifts += 1;
  } while (at.stage !== 'done');
  expect(shifts).toBeGreaterThan(3);
  expect(at.report).toEqual(whole.report);
  const pages = Math.ceil(at.report.users / 60);
  expect((await steps.pool.calls())['ListUsers']?.calls).toBe(pages);
});

test('a comparison starts the list again when Cognito no longer knows the page token', async ({
  steps,
}) => {
  const whole = await comparePool(comparison(steps), null);
  const stale: Comparison = { ...whole, stage: 'users', page: 'c3RhbGU' };
  const again = await comparePool(comparison(steps), stale);
  expect(again.report).toEqual(whole.report);
});
