import { expect } from 'vitest';
import { test } from '../../../support/api-on-pool-test.ts';
import { manager, registered } from '../../../support/registered.ts';
import { type ApiUnderTest, freshScripts } from '../api-under-test.ts';

test.beforeEach(async ({ api }) => {
  Object.assign(api.scripts, freshScripts());
  await api.sql`UPDATE changes SET status = 'cancelled' WHERE open`;
});

async function parked(api: ApiUnderTest, call: ApiUnderTest['call'], userId: string) {
  const { body } = await call(`/users/${userId}/disable`, { method: 'POST' });
  await api.change(body.id, {
    status: 'parked',
    parked_at: new Date(),
    begun_at: new Date(),
    next_resume_at: new Date(Date.now() + 3_600_000),
    failure: api.sql.json({
      code: 'identity_provider_unavailable',
      cause: 'provider_unavailable_parked',
      detail: 'parked',
    }),
  });
  return String(body.id);
}

test('a retry of many changes resumes those that the caller sees, audits each and wakes the persons', async ({
  api,
  users,
  steps,
}) => {
  const person = await registered(steps);
  const boss = await registered(steps, { roles: [] });
  const id = await parked(api, users.call, person.userId);
  const other = await parked(api, users.call, boss.userId);
  const retry = (json: unknown, more: object = {}) =>
    users.call('/changes/retry', { method: 'POST', json, ...more });
  const overview = await users.call('/overview');
  expect(overview.body.needsAttention).toContainEqual(
    expect.objectContaining({
      kind: 'change',
      status: 'parked',
      count: 2,
      oldestId: id,
      request:
        'POST /changes/retry {"status":"parked","failureCode":"identity_provider_unavailable"}',
    }),
  );
  expect((await retry({ failureCode: 'user_not_visible' })).body).toEqual({
    accepted: 0,
    remaining: 0,
  });
  const seen = await retry({ status: 'parked', reason: 'it is back' }, { token: manager(api) });
  expect(seen).toMatchObject({ status: 202, body: { accepted: 1, remaining: 0 } });
  const { body: receipt } = await users.call(`/changes/${id}`);
  expect(receipt).toMatchObject({ status: 'running', failure: null, resumesAt: null });
  expect(receipt.timeline.at(-1)).toMatchObject({ event: 'change.retry_requested' });
  expect((await users.call(`/changes/${other}`)).body.status).toBe('parked');
  expect((await users.call('/changes/retry', { method: 'POST' })).body).toEqual({
    accepted: 1,
    remaining: 0,
  });
  await api.settled();
  const woken = api.scripts.woken.filter(({ why }) => why === 'interrupt');
  expect(new Set(woken.map(({ userId }) => userId))).toEqual(new Set([person.userId, boss.userId]));
});

test('a retry of many changes refuses a body that does not fit', async ({ users }) => {
  for (const json of [{ status: 'running' }, { limit: 1001 }, { userId: 'x' }, []]) {
    expect(await users.call('/changes/retry', { method: 'POST', json })).toMatchObject({
      status: 422,
      body: { code: 'invalid_request' },
    });
  }
});
