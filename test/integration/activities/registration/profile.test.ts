import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { createProfile } from '../../../../activities/registration/create-profile.ts';
import { createUser } from '../../../../activities/registration/create-user.ts';
import {
  deleteProfile,
  deleteProfileOf,
  deleteStrayProfile,
} from '../../../../activities/registration/delete-profile.ts';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import type { StepContext } from '../../../../activities/step-context.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import { ProfileUnavailable } from '../../../../src/domain/profile.ts';
import type { ProfileService } from '../../../../src/domain/profile-service.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import { accept } from '../../../../src/ledger/registrations/accept.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { requestCancel } from '../../../../src/ledger/registrations/instructions.ts';
import { recordProfileReply } from '../../../../src/ledger/registrations/profile.ts';
import { release } from '../../../../src/ledger/registrations/release.ts';
import { beginSteps } from '../../../../src/ledger/registrations/transitions.ts';
import { acceptInput, type Wanted } from '../../../support/accept-input.ts';
import { closeProved } from '../../../support/close-proved.ts';
import { removeUser } from '../../../support/pool-user.ts';
import { REJECTED_DOMAIN, type ProfileSite } from '../../../support/profile-site.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';

const FAILED = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
const CANCELLED = publicFailure('registration_cancelled');
const UNAVAILABLE = { failure: 'profile_unavailable' };

test.afterEach(async ({ profiles, steps }) => {
  profiles.clear();
  await steps.pool.clearFaults();
});

const contextOf = (
  steps: Steps,
  profiles: Pick<ProfileSite, 'client'>,
  over: Partial<StepContext> = {},
) => steps.context({ profiles: profiles.client, ...over });

/** Accepted; nothing has begun. */
async function accepted(steps: Steps, wanted: Wanted = {}): Promise<Registration> {
  const result = await accept(steps.db, acceptInput({ wantsProfile: true, ...wanted }));
  if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
  return result.registration;
}
/** Begun, with its user: createProfile comes next. */
async function created(steps: Steps, wanted: Wanted = {}): Promise<Registration> {
  const { id } = await accepted(steps, wanted);
  return await createUser(steps.context(), await beginSteps(steps.db, id));
}
const compensate = (steps: Steps, { id }: Registration) =>
  beginCompensation(steps.db, id, FAILED, CANCELLED, {});

async function aged(steps: Steps, { id }: Registration, seconds: number): Promise<void> {
  await steps.db.execute(sql`UPDATE registrations
    SET profile_unanswered_at = profile_unanswered_at - make_interval(secs => ${seconds})
    WHERE id = ${id}::uuid`);
}

/** A worker that stands still between recording its attempt and sending it, or after the answer. */
function frozen(real: ProfileService, when: 'before' | 'after') {
  const reached = Promise.withResolvers<void>();
  const thawed = Promise.withResolvers<void>();
  const service: ProfileService = {
    learnsOfDeletionBy: real.learnsOfDeletionBy,
    async create(...call) {
      const pass = async () => {
        reached.resolve();
        await thawed.promise;
      };
      if (when === 'before') await pass();
      const answer = await real.create(...call);
      if (when === 'after') await pass();
      return answer;
    },
    delete: (...call) => real.delete(...call),
  };
  return { service, reached: reached.promise, thaw: () => thawed.resolve() };
}

describe('createProfile', () => {
  test('repeated with a stale row creates one profile and asks once', async ({
    steps,
    profiles,
  }) => {
    const stale = await created(steps);
    const first = await createProfile(contextOf(steps, profiles), stale);
    const again = await createProfile(contextOf(steps, profiles), stale);
    expect(profiles.asked('PUT')).toBe(1);
    expect(await profiles.of(stale.id)).toMatchObject({ id: first.profileId, email: stale.email });
    expect(again.profileId).toBe(first.profileId);
    expect(again.steps['createProfile']).toEqual({ status: 'done', attempts: 1, lastError: null });
  });

  test('whose reply is lost after the effect asks again under the same key and gets the same profile', async ({
    steps,
    profiles,
  }) => {
    const row = await created(steps);
    profiles.setFaults({ method: 'PUT', times: 1, fault: { kind: 'lost', effect: 'before' } });
    await expect(createProfile(contextOf(steps, profiles), row)).rejects.toMatchObject(UNAVAILABLE);
    const open = await steps.row(row.id);
    expect(open.profileUnansweredAt).not.toBeNull();
    const made = await profiles.of(row.id);
    const again = await createProfile(contextOf(steps, profiles, { attempt: 2 }), open);
    expect(again).toMatchObject({ profileId: made?.id, profileOutcome: 'created' });
    expect(await profiles.all()).toContainEqual(made);
  });

  test('of two attempts at once creates one profile', async ({ steps, profiles }) => {
    const row = await created(steps);
    const both = await Promise.allSettled([
      createProfile(contextOf(steps, profiles), row),
      createProfile(contextOf(steps, profiles), row),
    ]);
    expect(both.map(({ status }) => status)).toContain('fulfilled');
    const { profileId } = await steps.row(row.id);
    const own = (await profiles.all()).filter(({ registrationId }) => registrationId === row.id);
    expect(own.map(({ id }) => id)).toEqual([profileId]);
  });

  test.for([
    {
      name: 'an address that another profile has',
      failure: 'profile_email_taken',
      wanted: { email: 'held@example.com' },
    },
    {
      name: 'a username that another profile has',
      failure: 'profile_username_taken',
      wanted: { username: 'Held' },
    },
    {
      name: 'a person whom the service rejects',
      failure: 'profile_rejected',
      wanted: { email: `somebody@${REJECTED_DOMAIN}` },
    },
  ])(
    'with $name fails for good, and leaves nothing to delete',
    async (cell, { steps, profiles }) => {
      await profiles.addStranger({ email: 'held@example.com', username: 'held' }).catch(() => null);
      const row = await created(steps, cell.wanted);
      await expect(createProfile(contextOf(steps, profiles), row)).rejects.toMatchObject({
        failure: cell.failure,
      });
      // Repeated, as after a crash: the row remembers, and nobody is asked.
      const known = await steps.row(row.id);
      await expect(createProfile(contextOf(steps, profiles), known)).rejects.toMatchObject({
        failure: cell.failure,
      });
      expect(profiles.asked('PUT')).toBe(1);
      await compensate(steps, row);
      expect(await deleteProfile(contextOf(steps, profiles), row.id)).toBeNull();
      expect(profiles.asked('DELETE')).toBe(0);
    },
  );

  test('does nothing for a registration that wants no profile, or is to be cancelled', async ({
    steps,
    profiles,
  }) => {
    await createProfile(contextOf(steps, profiles), await created(steps, { wantsProfile: false }));
    const row = await created(steps);
    await requestCancel(steps.db, row.id, { actor: 'operator', reason: null });
    await createProfile(contextOf(steps, profiles), row);
    await createProfile(contextOf(steps, profiles), await steps.row(row.id));
    expect(profiles.asked('PUT')).toBe(0);
  });

  test('fails for a while where the setting was turned off, and leaves nothing to delete', async ({
    steps,
  }) => {
    const row = await created(steps);
    await expect(createProfile(steps.context(), row)).rejects.toMatchObject(UNAVAILABLE);
    await compensate(steps, row);
    expect(await deleteProfile(steps.context(), row.id)).toBeNull();
    expect((await closeProved(steps.db, row.id)).status).toBe('failed');
  });

  test('deletes the profile of a released registration of the same address first', async ({
    steps,
    profiles,
  }) => {
    const wanted = { email: 'again@example.com', username: 'again', roles: [] };
    const old = await accepted(steps, wanted);
    expect((await registerAtOnce(contextOf(steps, profiles), old.id)).row.status).toBe('completed');
    await release(steps.db, old.id);
    await removeUser(steps.pool, wanted.email);
    const next = await accepted(steps, wanted);
    const { row, stopped } = await registerAtOnce(contextOf(steps, profiles), next.id);
    expect(stopped).toBeNull();
    expect(row.status).toBe('completed');
    expect(await profiles.of(old.id)).toBeNull();
    expect(await profiles.of(next.id)).toMatchObject({ id: row.profileId });
  });

  test('is not kept from anybody by a profile of somebody else that cannot be deleted', async ({
    steps,
    profiles,
  }) => {
    const old = await accepted(steps, { email: 'stays@example.com', roles: [] });
    await registerAtOnce(contextOf(steps, profiles), old.id);
    // Erased: it may have had any address.
    await release(steps.db, old.id);
    profiles.setFaults({ method: 'DELETE', fault: { kind: 'lost', effect: 'never' } });
    const row = await createProfile(contextOf(steps, profiles), await created(steps));
    expect(await profiles.of(row.id)).toMatchObject({ id: row.profileId });
    expect(profiles.asked('DELETE', old.id)).toBe(1);
  });

  test('is not refused for good because of a profile that is still to be deleted', async ({
    steps,
    profiles,
  }) => {
    const email = 'returns@example.com';
    const old = await accepted(steps, { email, roles: [] });
    await registerAtOnce(contextOf(steps, profiles), old.id);
    await release(steps.db, old.id);
    await removeUser(steps.pool, email);
    const row = await created(steps, { email });
    profiles.setFaults({ method: 'DELETE', fault: { kind: 'status', status: 503 } });
    await expect(createProfile(contextOf(steps, profiles), row)).rejects.toMatchObject(UNAVAILABLE);
    expect(await steps.row(row.id)).toMatchObject({
      profileOutcome: null,
      profileUnansweredAt: null,
    });
    profiles.setFaults();
    const done = await createProfile(contextOf(steps, profiles), await steps.row(row.id));
    expect(done.profileOutcome).toBe('created');
  });

  test('over messages is not requested while the cancellation of an earlier profile cannot be sent', async ({
    steps,
    profiles,
  }) => {
    const old = await accepted(steps, { roles: [] });
    await registerAtOnce(contextOf(steps, profiles), old.id);
    await release(steps.db, old.id);
    const row = await created(steps);
    const service: ProfileService = {
      learnsOfDeletionBy: 'event',
      create: () => Promise.reject(new Error('requested')),
      delete: () => Promise.reject(new ProfileUnavailable('the broker is away', false)),
    };
    const failed = createProfile(steps.context({ profiles: service }), row);
    await expect(failed).rejects.toMatchObject(UNAVAILABLE);
    expect((await steps.row(row.id)).profileUnansweredAt).toBeNull();
  });

  test('over messages waits for the reply that comes to the row', async ({ steps }) => {
    const row = await created(steps);
    const service: ProfileService = {
      learnsOfDeletionBy: 'event',
      create: ({ registrationId }) => {
        const reply = { kind: 'created', profileId: 'p-9' } as const;
        setTimeout(() => void recordProfileReply(steps.db, registrationId, reply), 100);
        return Promise.resolve({ kind: 'awaits_reply' });
      },
      delete: () => Promise.resolve('final'),
    };
    const done = await createProfile(steps.context({ profiles: service }), row);
    expect(done.profileId).toBe('p-9');
  });

  test('over messages without a reply in time fails for a while, and the attempt stays open', async ({
    steps,
  }) => {
    const row = await created(steps);
    const service: ProfileService = {
      learnsOfDeletionBy: 'event',
      create: () => Promise.resolve({ kind: 'awaits_reply' }),
      delete: () => Promise.resolve('final'),
    };
    const context = steps.context({ profiles: service, signal: AbortSignal.timeout(200) });
    await expect(createProfile(context, row)).rejects.toMatchObject(UNAVAILABLE);
    expect((await steps.row(row.id)).profileUnansweredAt).not.toBeNull();
  });
});

describe('deleteProfile', () => {
  test('repeated deletes the profile once', async ({ steps, profiles }) => {
    const row = await createProfile(contextOf(steps, profiles), await created(steps));
    await compensate(steps, row);
    expect(await deleteProfile(contextOf(steps, profiles), row.id)).toBeNull();
    expect(await deleteProfile(contextOf(steps, profiles), row.id)).toBeNull();
    expect(profiles.asked('DELETE')).toBe(1);
    expect(await profiles.of(row.id)).toBeNull();
  });

  test('whose reply is lost is done when it is asked again', async ({ steps, profiles }) => {
    const row = await createProfile(contextOf(steps, profiles), await created(steps));
    await compensate(steps, row);
    profiles.setFaults({ method: 'DELETE', times: 1, fault: { kind: 'lost', effect: 'before' } });
    const first = deleteProfile(contextOf(steps, profiles), row.id);
    await expect(first).rejects.toMatchObject(UNAVAILABLE);
    expect((await steps.row(row.id)).profileDeletedAt).toBeNull();
    expect(await deleteProfile(contextOf(steps, profiles, { attempt: 2 }), row.id)).toBeNull();
    expect((await steps.row(row.id)).profileDeletedAt).not.toBeNull();
  });

  test('does not touch a registration that goes forward or is completed', async ({
    steps,
    profiles,
  }) => {
    const row = await createProfile(contextOf(steps, profiles), await created(steps));
    expect(await deleteProfile(contextOf(steps, profiles), row.id)).toBeNull();
    expect(await profiles.of(row.id)).not.toBeNull();
  });

  test('while a create has no reply is repeated after its grace, and only then is nothing left', async ({
    steps,
    profiles,
  }) => {
    const row = await created(steps);
    profiles.setFaults({ method: 'PUT', times: 1, fault: { kind: 'lost', effect: 'never' } });
    await expect(createProfile(contextOf(steps, profiles), row)).rejects.toMatchObject(UNAVAILABLE);
    await compensate(steps, row);
    const context = contextOf(steps, profiles, { graceMs: 30_000 });
    const wait = await deleteProfile(context, row.id);
    expect(wait?.graceMs).toBeGreaterThan(20_000);
    expect((await closeProved(steps.db, row.id)).status).toBe('compensating');
    await aged(steps, row, 30);
    expect(await deleteProfile(context, row.id)).toBeNull();
    expect(profiles.asked('DELETE', row.id)).toBe(2);
    expect((await closeProved(steps.db, row.id)).status).toBe('failed');
  });
});

describe('a reply that comes late', () => {
  test.for(['before', 'after'] as const)(
    'of a worker that was frozen %s it sent leaves no profile',
    async (when, { steps, profiles }) => {
      const row = await created(steps);
      const worker = frozen(profiles.client, when);
      const late = createProfile(steps.context({ profiles: worker.service }), row);
      await worker.reached;
      await compensate(steps, row);
      await aged(steps, row, 60);
      expect(await deleteProfile(contextOf(steps, profiles), row.id)).toBeNull();
      expect((await closeProved(steps.db, row.id)).status).toBe('failed');
      worker.thaw();
      expect((await late).status).toBe('failed');
      expect(await profiles.of(row.id)).toBeNull();
      expect((await steps.row(row.id)).profileStrayAt).toBeNull();
    },
  );

  test('to a closed registration is a stray that is deleted until it is gone', async ({
    steps,
    profiles,
  }) => {
    const row = await created(steps);
    profiles.setFaults(
      { method: 'PUT', times: 1, fault: { kind: 'lost', effect: 'never' } },
      { method: 'DELETE', after: 1, times: 1, fault: { kind: 'status', status: 503 } },
    );
    await expect(createProfile(contextOf(steps, profiles), row)).rejects.toMatchObject(UNAVAILABLE);
    await compensate(steps, row);
    await deleteProfile(contextOf(steps, profiles), row.id);
    await closeProved(steps.db, row.id);
    await recordProfileReply(steps.db, row.id, { kind: 'created', profileId: 'p-1' });
    const stray = await steps.row(row.id);
    const first = deleteStrayProfile(contextOf(steps, profiles), stray);
    await expect(first).rejects.toMatchObject(UNAVAILABLE);
    expect((await steps.row(row.id)).profileStrayAt).not.toBeNull();
    expect(await deleteStrayProfile(contextOf(steps, profiles), stray)).toBe(true);
    expect((await steps.row(row.id)).profileStrayAt).toBeNull();
  });

  test('may still come of a create without a reply, so the stray is deleted again after the grace', async ({
    steps,
    profiles,
  }) => {
    const { id } = await accepted(steps, { roles: [] });
    await registerAtOnce(contextOf(steps, profiles), id);
    await steps.db.execute(sql`UPDATE registrations SET profile_unanswered_at = clock_timestamp()
      WHERE id = ${id}::uuid`);
    await release(steps.db, id);
    const during = await steps.row(id);
    const ctx = contextOf(steps, profiles, { graceMs: 60_000 });
    expect(await deleteStrayProfile(ctx, during)).toBe(false);
    expect((await steps.row(id)).profileStrayAt).not.toBeNull();
    await aged(steps, during, 3600);
    expect(await deleteStrayProfile(ctx, await steps.row(id))).toBe(true);
    expect((await steps.row(id)).profileStrayAt).toBeNull();
    expect(profiles.asked('DELETE', id)).toBe(2);
  });
});

describe('the deletion of a person', () => {
  test('tells a service that is called, once', async ({ steps, profiles }) => {
    const { id } = await accepted(steps, { roles: [] });
    const { row } = await registerAtOnce(contextOf(steps, profiles), id);
    expect(row.status).toBe('completed');
    await deleteProfileOf(contextOf(steps, profiles), id);
    await deleteProfileOf(contextOf(steps, profiles), id);
    expect(profiles.asked('DELETE', id)).toBe(1);
    expect(await profiles.of(id)).toBeNull();
    expect((await steps.row(id)).steps).not.toHaveProperty('deleteProfile');
  });

  test('is left to the event where the service listens to events, and told to nobody where there is no service', async ({
    steps,
    profiles,
  }) => {
    const { id } = await accepted(steps, { roles: [] });
    await registerAtOnce(contextOf(steps, profiles), id);
    const service = { ...profiles.client, learnsOfDeletionBy: 'event' as const };
    await deleteProfileOf(steps.context({ profiles: service }), id);
    await deleteProfileOf(steps.context(), id);
    expect(profiles.asked('DELETE', id)).toBe(0);
  });
});

describe('registerAtOnce with a profile', () => {
  test('tells the service of the user only once the ledger knows the user', async ({
    steps,
    profiles,
  }) => {
    const { id } = await accepted(steps);
    const seen: (string | null)[] = [];
    const service: ProfileService = {
      ...profiles.client,
      create: async (request, signal) => {
        seen.push((await steps.row(id)).userId, request.userId);
        return await profiles.client.create(request, signal);
      },
    };
    const { row } = await registerAtOnce(steps.context({ profiles: service }), id);
    expect(row.status).toBe('completed');
    expect(seen).toEqual([row.userId, row.userId]);
    expect(Object.keys(row.steps)).toContain('createProfile');
  });

  test('stops where the service is away, and keeps the attempt for the receipt', async ({
    steps,
    profiles,
  }) => {
    const { id } = await accepted(steps);
    profiles.setFaults({ method: 'PUT', fault: { kind: 'status', status: 503 } });
    const { row, stopped } = await registerAtOnce(contextOf(steps, profiles), id);
    expect(stopped).toEqual({ step: 'createProfile', failure: 'profile_unavailable', attempts: 1 });
    expect(row.steps['createProfile']).toEqual({
      status: 'retrying',
      attempts: 1,
      lastError: 'profile_unavailable',
    });
    expect(row.rolesAssigned).toEqual([]);
  });
});
