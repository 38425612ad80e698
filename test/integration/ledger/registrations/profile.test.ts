import { randomUUID } from 'node:crypto';
import { describe, expect } from 'vitest';
import {
  mayHaveProfile,
  owesProfile,
  type ProfileDecision,
} from '../../../../src/domain/profile.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import {
  recordProfileAttempt,
  recordProfileDeleted,
  recordProfileNotMade,
  recordProfileReply,
  recordStrayProfileDeleted,
  rowsWithStrayProfiles,
  strayProfilesBefore,
  type ProfileReply,
} from '../../../../src/ledger/registrations/profile.ts';
import { release } from '../../../../src/ledger/registrations/release.ts';
import { requestCancel } from '../../../../src/ledger/registrations/instructions.ts';
import { complete } from '../../../../src/ledger/registrations/transitions.ts';
import { test } from '../../../support/ledger-test.ts';
import { ALICE, CANCELLED, FAILED, times, type Ledger } from '../ledger-under-test.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';

const WANTED = { wantsProfile: true } as const;
const MADE: ProfileDecision = { kind: 'created', profileId: 'p-1' };
const OTHER: ProfileDecision = { kind: 'created', profileId: 'p-2' };
const TAKEN: ProfileDecision = { kind: 'refused', failure: 'email_taken' };

/** A row whose profile was asked for once, without a reply so far. */
async function asked(ledger: Ledger): Promise<Registration> {
  const row = await ledger.created(WANTED);
  const attempt = await recordProfileAttempt(ledger.db, row);
  if (!attempt) throw new Error('no attempt was recorded');
  return attempt.registration;
}
const reply = (ledger: Ledger, { id }: Registration, decision: ProfileDecision) =>
  recordProfileReply(ledger.db, id, decision);

async function compensating(ledger: Ledger): Promise<Registration> {
  const { id } = await asked(ledger);
  return await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
}
async function failed(ledger: Ledger): Promise<Registration> {
  const row = await compensating(ledger);
  await recordProfileDeleted(ledger.db, row, {});
  const closed = await ledger.close(row.id);
  expect(closed.status).toBe('failed');
  return closed;
}
async function completed(ledger: Ledger): Promise<Registration> {
  const row = await asked(ledger);
  await reply(ledger, row, MADE);
  const { registration } = await complete(ledger.db, row.id, row.roles, {});
  expect(registration.status).toBe('completed');
  return registration;
}

describe('attempts', () => {
  test('of callers that read the same row, one records its attempt', async ({ ledger }) => {
    const row = await ledger.created(WANTED);
    const attempts = await times(5, () => recordProfileAttempt(ledger.db, row));
    expect(attempts.filter((attempt) => attempt !== null)).toHaveLength(1);
  });

  test('an attempt stays open until it is answered, and an earlier one as long as it has no answer', async ({
    ledger,
  }) => {
    const first = await recordProfileAttempt(ledger.db, await ledger.created(WANTED));
    const second = first && (await recordProfileAttempt(ledger.db, first.registration));
    if (!first || !second) throw new Error('no attempt was recorded');
    expect(second.at.getTime()).toBeGreaterThan(first.at.getTime());

    const { id } = second.registration;
    expect((await recordProfileNotMade(ledger.db, second)).profileUnansweredAt).toEqual(first.at);
    expect((await recordProfileNotMade(ledger.db, first)).profileUnansweredAt).toBeNull();
    expect(mayHaveProfile(await ledger.row(id))).toBe(false);
  });

  test('the answer to an earlier attempt leaves the latest one open', async ({ ledger }) => {
    const first = await recordProfileAttempt(ledger.db, await ledger.created(WANTED));
    const second = first && (await recordProfileAttempt(ledger.db, first.registration));
    if (!first || !second) throw new Error('no attempt was recorded');
    await recordProfileReply(ledger.db, first.registration.id, MADE, first, 1);
    expect(await ledger.row(first.registration.id)).toMatchObject({
      profileId: 'p-1',
      profileUnansweredAt: second.at,
      steps: { createProfile: { status: 'done', attempts: 1 } },
    });
  });

  test.for([
    { name: 'wants no profile', row: (ledger: Ledger) => ledger.created() },
    { name: 'is compensating', row: compensating },
    { name: 'is completed', row: completed },
    {
      name: 'carries the instruction to cancel',
      row: async (ledger: Ledger) => {
        const { id } = await ledger.created(WANTED);
        await requestCancel(ledger.db, id, ALICE);
        return await ledger.row(id);
      },
    },
  ])('no attempt is recorded on a row that $name', async ({ row }, { ledger }) => {
    expect(await recordProfileAttempt(ledger.db, await row(ledger))).toBeNull();
  });
});

describe('replies', () => {
  test.for<{
    readonly state: string;
    readonly row: (ledger: Ledger) => Promise<Registration>;
    readonly expected: Readonly<Record<'MADE' | 'OTHER' | 'TAKEN', ProfileReply>>;
  }>([
    {
      state: 'a row that waits for it',
      row: asked,
      expected: { MADE: 'recorded', OTHER: 'recorded', TAKEN: 'recorded' },
    },
    {
      state: 'a row that knows its profile',
      row: async (ledger) => {
        const row = await asked(ledger);
        await reply(ledger, row, MADE);
        return row;
      },
      expected: { MADE: 'repeated', OTHER: 'contradicts', TAKEN: 'contradicts' },
    },
    {
      state: 'a row that was refused',
      row: async (ledger) => {
        const row = await asked(ledger);
        await reply(ledger, row, TAKEN);
        return row;
      },
      expected: { MADE: 'contradicts', OTHER: 'contradicts', TAKEN: 'repeated' },
    },
    {
      state: 'a completed row',
      row: completed,
      expected: { MADE: 'repeated', OTHER: 'contradicts', TAKEN: 'contradicts' },
    },
    {
      state: 'a compensating row',
      row: compensating,
      expected: { MADE: 'closed', OTHER: 'closed', TAKEN: 'closed' },
    },
    {
      state: 'a failed row',
      row: failed,
      expected: { MADE: 'closed', OTHER: 'closed', TAKEN: 'closed' },
    },
    {
      state: 'a row that never asked',
      row: (ledger) => ledger.created(WANTED),
      expected: { MADE: 'unknown', OTHER: 'unknown', TAKEN: 'unknown' },
    },
    {
      state: 'a row that wants no profile',
      row: (ledger) => ledger.created(),
      expected: { MADE: 'unknown', OTHER: 'unknown', TAKEN: 'unknown' },
    },
  ])('to $state are told apart', async ({ row, expected }, { ledger }) => {
    const replies = {
      MADE: await reply(ledger, await row(ledger), MADE),
      OTHER: await reply(ledger, await row(ledger), OTHER),
      TAKEN: await reply(ledger, await row(ledger), TAKEN),
    };
    expect(replies).toEqual(expected);
  });

  test.for(['', 'no id', randomUUID()])(
    'that name nothing, %j, are unknown',
    async (id, { ledger }) => {
      expect(await recordProfileReply(ledger.db, id, MADE)).toBe('unknown');
    },
  );

  test('two at once are recorded once', async ({ ledger }) => {
    const row = await asked(ledger);
    const replies = await times(4, () => reply(ledger, row, MADE));
    expect(replies.toSorted()).toEqual(['recorded', 'repeated', 'repeated', 'repeated']);
  });

  test('to a parked row make it due', async ({ ledger }) => {
    const { id } = await asked(ledger);
    const parked = await ledger.parked(id);
    await reply(ledger, parked, MADE);
    const { nextResumeAt, readAt, profileId } = await ledger.row(id);
    expect(profileId).toBe('p-1');
    expect(nextResumeAt?.getTime()).toBeLessThanOrEqual(readAt.database.getTime());
  });

  test('a profile that is reported after its deletion was confirmed has to be deleted again before the row closes', async ({
    ledger,
  }) => {
    const row = await compensating(ledger);
    expect(await recordProfileDeleted(ledger.db, row, {})).toBe(true);
    await reply(ledger, row, MADE);
    expect((await ledger.close(row.id)).status).toBe('compensating');
    expect(await recordProfileDeleted(ledger.db, await ledger.row(row.id), {})).toBe(true);
    expect((await ledger.close(row.id)).status).toBe('failed');
  });

  test('a profile that is reported after a refusal has to be deleted before the row closes', async ({
    ledger,
  }) => {
    const { id } = await asked(ledger);
    await reply(ledger, await ledger.row(id), TAKEN);
    expect(mayHaveProfile(await ledger.row(id))).toBe(false);
    await reply(ledger, await ledger.row(id), MADE);
    const row = await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    expect(mayHaveProfile(row)).toBe(true);
    expect((await ledger.close(id)).status).toBe('compensating');
  });

  test('a profile that is reported while its person is being deleted is left to the sweep', async ({
    ledger,
  }) => {
    const row = await completed(ledger);
    expect(await recordProfileDeleted(ledger.db, row, {})).toBe(true);
    expect(await reply(ledger, row, MADE)).toBe('closed');
    expect((await ledger.row(row.id)).profileStrayAt).not.toBeNull();
  });

  test('a deletion is not confirmed where a profile was recorded since the row was read', async ({
    ledger,
  }) => {
    const row = await compensating(ledger);
    await reply(ledger, row, MADE);
    expect(await recordProfileDeleted(ledger.db, row, {})).toBe(false);
  });

  test('a profile that is reported to a closed row is left to the sweep until it is deleted', async ({
    ledger,
  }) => {
    const row = await failed(ledger);
    await reply(ledger, row, MADE);
    const stray = await ledger.row(row.id);
    expect((await rowsWithStrayProfiles(ledger.db, 100)).map(({ id }) => id)).toContain(row.id);
    // Another reply comes while the deletion is under way.
    await reply(ledger, row, MADE);
    await recordStrayProfileDeleted(ledger.db, stray);
    const again = await ledger.row(row.id);
    expect(again.profileStrayAt).not.toBeNull();
    await recordStrayProfileDeleted(ledger.db, again);
    expect((await ledger.row(row.id)).profileStrayAt).toBeNull();
  });
});

describe('the profile belongs to the registration', () => {
  test('a row that wants a profile does not complete without it', async ({ ledger }) => {
    const { id, roles } = await ledger.created(WANTED);
    expect((await complete(ledger.db, id, roles, {})).kind).toBe('steps_left');
    const forced = await ledger.set(id, { status: 'completed' }).catch(({ cause }: Error) => cause);
    expect(forced).toMatchObject({ constraint_name: 'registrations_profile_created' });
    expect(owesProfile(await ledger.row(id))).toBe(true);
  });

  test('a row without a profile service completes as ever', async ({ ledger }) => {
    const { id, roles } = await ledger.created();
    expect((await complete(ledger.db, id, roles, {})).kind).toBe('completed');
  });

  test('a released registration, which no longer says whose it was, leaves its profile to be deleted before another one', async ({
    ledger,
  }) => {
    const row = await completed(ledger);
    await release(ledger.db, row.id);
    const next = await ledger.accepted(WANTED);
    expect((await strayProfilesBefore(ledger.db, next)).map(({ id }) => id)).toContain(row.id);
    await recordStrayProfileDeleted(ledger.db, await ledger.row(row.id));
    expect((await strayProfilesBefore(ledger.db, next)).map(({ id }) => id)).not.toContain(row.id);
  });

  test('a stray profile of another address and username does not stand in the way', async ({
    ledger,
  }) => {
    const row = await failed(ledger);
    await reply(ledger, row, MADE);
    const idsBefore = async (wanted: object) => {
      const next = await ledger.created({ ...WANTED, ...wanted });
      return (await strayProfilesBefore(ledger.db, next)).map(({ id }) => id);
    };
    expect(await idsBefore({ email: row.email })).toContain(row.id);
    expect(await idsBefore({})).not.toContain(row.id);
  });

  test('a released registration without a profile leaves nothing to be deleted', async ({
    ledger,
  }) => {
    const row = await ledger.at('completed');
    await release(ledger.db, row.id);
    expect((await ledger.row(row.id)).profileStrayAt).toBeNull();
  });
});
