import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import { changes } from '../../../../src/db/schema.ts';
import type { ChangeStatus } from '../../../../src/domain/change.ts';
import { accept } from '../../../../src/ledger/registrations/accept.ts';
import { acceptInput, type Wanted } from '../../../support/accept-input.ts';
import { addUser, removeUser } from '../../../support/pool-user.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/api-on-pool-test.ts';
import type { ApiUnderTest } from '../api-under-test.ts';
import { known, type Known } from '../../../support/known.ts';

const GRACE_MS = 30_000;
const agesAgo = () => new Date(Date.now() - 10 * GRACE_MS);

interface World {
  readonly api: ApiUnderTest;
  readonly users: Pick<ApiUnderTest, 'call'>;
  readonly steps: Steps;
}

test.afterEach(async ({ pool }) => {
  await pool.clearFaults();
});

/** A completed registration, with its user in the pool. */
async function registered({ steps }: Pick<World, 'steps'>, wanted: Wanted = {}) {
  const input = acceptInput({ invite: false, ...wanted });
  await accept(steps.db, input);
  const { row } = await registerAtOnce(steps.context(), input.id);
  expect(row.status).toBe('completed');
  return known(row);
}

const signUp = (world: World) =>
  registered(world, { door: 'signup', roles: [], emailVerified: false, keyScope: 'signup' });

const explain = async ({ users }: Pick<World, 'users'>, email: string) => {
  const { status, body } = await users.call(`/addresses/${encodeURIComponent(email)}`);
  expect(status).toBe(200);
  return body;
};

/** How a registration of the address ends: at once with a problem, or in its steps. */
async function outcomeOf({ users, steps }: World, email: string): Promise<string> {
  const { status, body } = await users.call('/registrations', {
    method: 'POST',
    json: { email, roles: ['viewer'], invite: false },
  });
  if (status !== 202) return String(body.code);
  const { row, stopped } = await registerAtOnce(steps.context(), String(body.id));
  return stopped?.failure ?? row.status;
}

const poolOf = (more: Record<string, unknown> = {}) => ({
  exists: true,
  registeredByUs: true,
  enabled: true,
  emailVerified: true,
  ...more,
});
const NOBODY = { exists: false, registeredByUs: false, enabled: null, emailVerified: null };

const deletionOf = ({ id, userId }: Known, status: ChangeStatus) => ({
  id: randomUUID(),
  kind: 'delete' as const,
  status,
  userId: userId ?? '',
  registrationId: id,
  personRoles: [],
  requestedBy: 'somebody',
  acceptedAt: new Date(),
});

/** What an operator reads, by the reason; with a time where it is known. */
const REMEDIES: Readonly<Record<string, RegExp>> = {
  free: /^Register the address\./,
  open_registration: /POST \/registrations\/[\da-f-]{36}\/retry or \/cancel/,
  registered: /^Nothing: the person is registered\.$/,
  unverified_sign_up: /replaceUnverified: true/,
  foreign_user: /^Find out whose user this is/,
  being_deleted: /^Wait/,
};
/** Of somebody who was deleted in Cognito. */
const DELETED = /^The user was deleted in Cognito: register the address again from \S+Z on\.$/;

interface Case {
  /** @returns the address, or the row that holds it */
  readonly given: (world: World) => Promise<string | Known>;
  readonly reason: string;
  readonly pool: object;
  /** How POST /registrations ends. */
  readonly outcome: string;
  readonly freeFrom?: (holder: Known) => number;
}

const CASES: Readonly<Record<string, Case>> = {
  'an address that nobody has': {
    given: async () => `${randomUUID()}@example.com`,
    reason: 'free',
    pool: NOBODY,
    outcome: 'completed',
  },
  'a registration that is parked': {
    given: async (world) => {
      const row = await registered(world);
      await world.api.row(row.id, { status: 'roles_pending', finished_at: null });
      return row;
    },
    reason: 'open_registration',
    pool: poolOf(),
    outcome: 'email_taken',
  },
  'a registration whose user was not created yet': {
    given: async ({ steps }) => await steps.begun(),
    reason: 'open_registration',
    pool: NOBODY,
    outcome: 'email_taken',
  },
  'a person whom Registrar registered': {
    given: registered,
    reason: 'registered',
    pool: poolOf(),
    outcome: 'email_taken',
  },
  'a sign-up that nobody proved': {
    given: signUp,
    reason: 'unverified_sign_up',
    pool: poolOf({ emailVerified: false }),
    outcome: 'email_unverified',
  },
  'a user that somebody else created': {
    given: async ({ steps }) => {
      const email = `${randomUUID()}@example.com`;
      await addUser(steps.pool, email);
      return email;
    },
    reason: 'foreign_user',
    pool: poolOf({ registeredByUs: false, emailVerified: false }),
    outcome: 'email_taken',
  },
  'a user with the mark of another completed registration': {
    given: async (world) => {
      const other = await registered(world);
      const email = `${randomUUID()}@example.com`;
      await addUser(world.steps.pool, email, { mark: other.id });
      return email;
    },
    reason: 'foreign_user',
    pool: poolOf({ registeredByUs: false, emailVerified: false }),
    outcome: 'email_taken',
  },
  'a registration that is being undone': {
    given: async (world) => {
      const row = await registered(world);
      await world.api.row(row.id, { status: 'compensating', finished_at: null });
      return row;
    },
    reason: 'being_deleted',
    pool: poolOf(),
    outcome: 'email_taken',
  },
  'a person whose deletion was accepted': {
    given: async (world) => {
      const row = await registered(world);
      await world.steps.db.insert(changes).values(deletionOf(row, 'parked'));
      return row;
    },
    reason: 'being_deleted',
    pool: poolOf(),
    outcome: 'email_taken',
  },
  'a sign-up that nobody proved and whose deletion runs': {
    given: async (world) => {
      const row = await signUp(world);
      await world.steps.db.insert(changes).values(deletionOf(row, 'running'));
      return row;
    },
    reason: 'being_deleted',
    pool: poolOf({ emailVerified: false }),
    outcome: 'email_unverified',
  },
  'a person whose deletion failed': {
    given: async (world) => {
      const row = await registered(world);
      await world.steps.db.insert(changes).values(deletionOf(row, 'failed'));
      return row;
    },
    reason: 'registered',
    pool: poolOf(),
    outcome: 'email_taken',
  },
  'a create without a reply that is being undone: free after the grace': {
    given: async (world) => {
      const { id } = await world.steps.begun();
      const create_attempted_at = new Date();
      await world.api.row(id, { status: 'compensating', create_attempt: 1, create_attempted_at });
      return known(await world.steps.row(id));
    },
    reason: 'being_deleted',
    pool: NOBODY,
    outcome: 'email_taken',
    freeFrom: (holder) => (holder.createAttemptedAt?.getTime() ?? 0) + GRACE_MS,
  },
  'a registered person who was deleted in Cognito a moment ago: free after the grace': {
    given: async (world) => {
      const row = await registered(world);
      await removeUser(world.steps.pool, row.email);
      return row;
    },
    reason: 'registered',
    pool: NOBODY,
    outcome: 'email_taken',
    freeFrom: (holder) => (holder.finishedAt?.getTime() ?? 0) + GRACE_MS,
  },
  'a registered person who was deleted in Cognito': {
    given: async (world) => {
      const row = await registered(world);
      await world.api.row(row.id, { finished_at: agesAgo() });
      await removeUser(world.steps.pool, row.email);
      return row.email;
    },
    reason: 'free',
    pool: NOBODY,
    outcome: 'completed',
  },
  'a registered person who was replaced in Cognito by a stranger': {
    given: async (world) => {
      const row = await registered(world);
      await world.api.row(row.id, { finished_at: agesAgo() });
      await removeUser(world.steps.pool, row.email);
      await addUser(world.steps.pool, row.email);
      return row.email;
    },
    reason: 'foreign_user',
    pool: poolOf({ registeredByUs: false, emailVerified: false }),
    outcome: 'email_taken',
  },
  'a user left by a failed registration': {
    given: async (world) => {
      const row = await registered(world);
      await world.api.row(row.id, { status: 'failed' });
      return row.email;
    },
    reason: 'free',
    pool: poolOf(),
    outcome: 'completed',
  },
  'a user who was deleted and is still to be seen': {
    given: async (world) => {
      const row = await registered(world);
      await world.api.row(row.id, { user_deleted_at: new Date() });
      return row.email;
    },
    reason: 'free',
    pool: poolOf(),
    outcome: 'completed',
  },
};

test.for(Object.entries(CASES))(
  'the reason agrees with POST /registrations: %s',
  async ([, { given, reason, pool, outcome, freeFrom }], { api, users, steps }) => {
    const found = await given({ api, users, steps });
    const holder = typeof found === 'string' ? null : found;
    const email = typeof found === 'string' ? found : found.email;
    const explained = await explain({ users }, email);
    expect(explained).toEqual({
      email,
      free: reason === 'free',
      reason,
      registrationId: holder?.id ?? null,
      pool,
      freeFrom: holder && freeFrom ? new Date(freeFrom(holder)).toISOString() : null,
      remedy: expect.stringMatching(
        reason === 'registered' && pool === NOBODY ? DELETED : (REMEDIES[reason] ?? ''),
      ),
    });
    expect(await outcomeOf({ api, users, steps }, email)).toBe(outcome);
    expect(explained.free).toBe(outcome === 'completed');
  },
);

test('an address is compared without case, and one that is none is refused', async ({
  users,
  steps,
}) => {
  const row = await registered({ steps });
  const { body } = await users.call(`/addresses/${row.email.toUpperCase()}`);
  expect(body).toMatchObject({ email: row.email, registrationId: row.id });
  const refused = await users.call('/addresses/nobody');
  expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, '#/path/email']);
});

test('only callers with the grant * may ask about addresses', async ({ api, users }) => {
  const path = '/addresses/ada@example.com';
  const token = api.issuer.token({ 'cognito:groups': ['manager'] });
  const refused = await users.call(path, { token });
  expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
  expect((await users.call(path, { token: null })).status).toBe(401);
});

test('without Cognito the ledger answers where it decides alone, else 503', async ({
  api,
  users,
  steps,
  pool,
}) => {
  const open = await steps.begun();
  const old = await registered({ steps });
  await api.row(old.id, { finished_at: agesAgo() });
  await pool.setFaults([{ operation: 'AdminGetUser', fault: { kind: 'server' } }]);
  expect(await explain({ users }, open.email)).toMatchObject({
    reason: 'open_registration',
    pool: null,
  });
  for (const email of [old.email, 'free@example.com']) {
    const { status, body, headers } = await users.call(`/addresses/${email}`);
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '5']);
  }
});
