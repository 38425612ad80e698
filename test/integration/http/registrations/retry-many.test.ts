import { expect } from 'vitest';
import type { ApiUnderTest } from '../api-under-test.ts';
import { newBody } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

test.beforeEach(async ({ api }) => {
  await api.sql`DELETE FROM registrations`;
  api.scripts.resumed = [];
});

async function parked(
  api: ApiUnderTest,
  code = 'identity_provider_unavailable',
  body: Record<string, unknown> = {},
  columns: Record<string, unknown> = {},
): Promise<string> {
  const json = newBody(body);
  const { body: receipt } = await api.call('/registrations', { method: 'POST', json });
  const failure = { code, cause: 'provider_unavailable_parked', detail: 'parked' };
  await api.row(receipt.id, {
    status: 'roles_pending',
    parked_at: new Date(),
    failure,
    ...columns,
  });
  return receipt.id;
}

const retry = (api: ApiUnderTest, json: unknown, token?: string) =>
  api.call('/registrations/retry', {
    method: 'POST',
    json,
    ...(token === undefined ? {} : { token }),
  });

test('a retry of many resumes the matching registrations, audits each and wakes its run', async ({
  api,
}) => {
  const ids = [await parked(api), await parked(api), await parked(api)];
  const other = await parked(api, 'identity_provider_refused');
  const answer = await retry(api, {
    status: 'roles_pending',
    failureCode: 'identity_provider_unavailable',
    reason: 'Cognito is back',
  });
  expect(answer).toMatchObject({ status: 202, body: { accepted: 3, remaining: 0 } });
  await api.settled();
  expect(api.scripts.resumed.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  for (const id of ids) {
    const { body } = await api.call(`/registrations/${id}`);
    expect(body).toMatchObject({ status: 'running', failure: null, resumesAt: null });
    expect(body.timeline.at(-1)).toMatchObject({ event: 'registration.retry_requested' });
  }
  const rows = await api.sql`SELECT instruction, instruction_reason FROM registrations
    WHERE id = ANY(${ids})`;
  expect(rows[0]).toEqual({ instruction: 'retry', instruction_reason: 'Cognito is back' });
  expect((await api.call(`/registrations/${other}`)).body.status).toBe('roles_pending');
});

test('repeated retries of many reach every cleanup once before any twice', async ({ api }) => {
  const ids = [];
  for (let at = 0; at < 5; at += 1)
    ids.push(await parked(api, 'role_missing', {}, { status: 'cleanup_required' }));
  const first = await retry(api, { status: 'cleanup_required', limit: 2 });
  expect(first.body).toEqual({ accepted: 2, remaining: 3 });
  expect((await retry(api, { status: 'cleanup_required', limit: 2 })).body.accepted).toBe(2);
  expect((await retry(api, { status: 'cleanup_required', limit: 1 })).body.accepted).toBe(1);
  await api.settled();
  expect(api.scripts.resumed.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  const again = await retry(api, { status: 'cleanup_required', limit: 1 });
  expect(again.body).toEqual({ accepted: 1, remaining: 4 });
  await api.settled();
  const [one, two, ...later] = api.scripts.resumed.map(({ id }) => id);
  expect([one, two]).toContain(later.at(-1));
});

test('a retry of many leaves out what the caller may not see, what is being cancelled and what is locked', async ({
  api,
}) => {
  const manager = api.issuer.token({ sub: 'the-manager', 'cognito:groups': ['manager'] });
  const seen = await parked(api, undefined, { roles: ['viewer'] });
  const own = await parked(api, undefined, { roles: [] }, { requested_by: 'the-manager' });
  await parked(api, undefined, { roles: ['viewer', 'admin'] });
  await parked(api, undefined, { roles: [] });
  await parked(
    api,
    undefined,
    { roles: ['viewer'] },
    {
      instruction: 'cancel',
      instruction_actor: 'x',
      instruction_at: new Date(),
    },
  );
  const locked = await parked(api, undefined, { roles: ['researcher'] });
  const answer = await api.sql.begin(async (tx) => {
    await tx`SELECT id FROM registrations WHERE id = ${locked} FOR UPDATE`;
    return await retry(api, { status: 'roles_pending' }, manager);
  });
  expect(answer.body).toEqual({ accepted: 2, remaining: 1 });
  await api.settled();
  expect(api.scripts.resumed.map(({ id }) => id).toSorted()).toEqual([seen, own].toSorted());
  const nobody = api.issuer.token({ 'cognito:groups': [] });
  expect((await retry(api, { status: 'roles_pending' }, nobody)).body).toEqual({
    accepted: 0,
    remaining: 0,
  });
});

test('fifty retries of many at once retry each registration once', async ({ api }) => {
  const ids: string[] = [];
  for (let at = 0; at < 10; at += 1) ids.push(await parked(api));
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => retry(api, { status: 'roles_pending', limit: 3 })),
  );
  // Those that another one is taking just now are left out, and remain.
  answers.push(await retry(api, { status: 'roles_pending' }));
  const accepted = answers.reduce((sum, { body }) => sum + Number(body.accepted), 0);
  expect(accepted).toBe(10);
  expect(answers.at(-1)?.body.remaining).toBe(0);
  const [count] = await api.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM audit_events
    WHERE event = 'registration.retry_requested' AND registration_id = ANY(${ids})`;
  expect(count?.n).toBe(10);
});

test('a retry of many refuses a body that does not fit, and changes nothing', async ({ api }) => {
  const id = await parked(api);
  for (const json of [
    {},
    { status: 'running' },
    { status: 'completed' },
    { status: 'roles_pending', limit: 0 },
    { status: 'roles_pending', limit: 1001 },
    { status: 'roles_pending', limit: '5' },
    { status: 'roles_pending', failureCode: 'nonsense' },
    { status: 'roles_pending', reason: 'a\u0000b' },
    { status: 'roles_pending', ids: [] },
    [],
  ]) {
    expect(await retry(api, json)).toMatchObject({
      status: 422,
      body: { code: 'invalid_request' },
    });
  }
  expect((await retry(api, undefined)).status).toBe(415);
  expect((await api.call(`/registrations/${id}`)).body.status).toBe('roles_pending');
});

test('a retry of many signals again through the sweep where Temporal is away', async ({ api }) => {
  const ids: string[] = [];
  for (let at = 0; at < 30; at += 1) ids.push(await parked(api));
  let signals = 0;
  const runs = {
    ...api.deps.runs,
    resume: async () => {
      signals += 1;
      throw new Error('away');
    },
  };
  const app = api.app({ runs });
  const json = { status: 'roles_pending' };
  const answer = await api.call('/registrations/retry', { method: 'POST', json, app });
  expect(answer.body).toEqual({ accepted: 30, remaining: 0 });
  await api.settled();
  // Those under way and no more: each may wait for seconds.
  expect(signals).toBeLessThan(30);
  const [left] = await api.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM registrations
    WHERE instruction = 'retry' AND instruction_acknowledged_at IS NULL`;
  expect(left?.n).toBe(30);
});
