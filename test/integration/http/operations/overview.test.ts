import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { FAILURES } from '../../../../src/domain/failure.ts';
import { newBody } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

test('GET /overview shows what needs a person, with the remedy and the request', async ({
  api,
}) => {
  const { body: parked } = await api.call('/registrations', { method: 'POST', json: newBody() });
  await api.row(parked.id, {
    status: 'roles_pending',
    parked_at: new Date('2026-01-31T09:30:00Z'),
    failure: { code: 'identity_provider_refused', cause: 'refused_parked', detail: 'refused' },
  });
  const { status, body } = await api.call('/overview');
  expect(status).toBe(200);
  expect(Object.keys(body)).toEqual([
    'registrations',
    'changes',
    'needsAttention',
    'outbox',
    'quotas',
    'schedules',
    'comparison',
    'dependencies',
  ]);
  expect(body.registrations.byStatus).toMatchObject({ roles_pending: 1, completed: 0 });
  expect(body.needsAttention).toEqual([
    {
      kind: 'registration',
      status: 'roles_pending',
      failureCode: 'identity_provider_refused',
      cause: 'refused_parked',
      count: 1,
      oldestAt: '2026-01-31T09:30:00.000Z',
      oldestId: parked.id,
      remedy: FAILURES.refused_parked.operator,
      request:
        'POST /registrations/retry {"status":"roles_pending","failureCode":"identity_provider_refused"}',
    },
  ]);
  await api.row(parked.id, { status: 'completed' });
});

test('GET /overview answers while Temporal is away, with null for what only Temporal knows', async ({
  api,
}) => {
  const { body } = await api.call('/overview');
  expect(body.dependencies).toEqual({ database: 'ok', temporal: 'degraded', worker: null });
  expect(body.schedules).toContainEqual({
    name: 'sweepRegistrations',
    exists: null,
    lastRunAt: null,
    lastOutcome: null,
    nextRunAt: null,
  });
});

test('GET /overview is only for callers with the grant *', async ({ api }) => {
  const token = api.issuer.token({ 'cognito:groups': ['manager'] });
  expect(await api.call('/overview', { token })).toMatchObject({
    status: 403,
    body: { code: 'forbidden' },
  });
  expect((await api.call('/overview', { token: null })).status).toBe(401);
  expect((await api.call('/overview?verbose=1')).status).toBe(422);
});

test('POST /outbox/redeliver makes due what was given up, and with waiting what waits', async ({
  api,
}) => {
  const outboxId = randomUUID();
  const { body: row } = await api.call('/registrations', { method: 'POST', json: newBody() });
  await api.sql`INSERT INTO outbox (id, registration_id, kind, occurred_at)
    VALUES (${outboxId}, ${row.id}, 'user.created', now() - interval '1 hour')`;
  await api.sql`INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at, given_up_at)
    VALUES (${outboxId}, 'webhook', now() + interval '1 day', now())`;
  const redeliver = (json?: unknown, token?: string) =>
    api.call('/outbox/redeliver', {
      method: 'POST',
      ...(json === undefined ? {} : { json }),
      ...(token === undefined ? {} : { token }),
    });
  expect(await redeliver({ since: '2126-01-01T00:00:00Z' })).toMatchObject({ body: { due: 0 } });
  expect(await redeliver()).toMatchObject({ status: 202, body: { due: 1 } });
  expect(await redeliver()).toMatchObject({ body: { due: 0 } });
  await api.sql`UPDATE outbox_deliveries SET next_attempt_at = now() + interval '1 day'`;
  expect(await redeliver({ destination: 'webhook' })).toMatchObject({ body: { due: 0 } });
  expect(await redeliver({ destination: 'webhook', waiting: true })).toMatchObject({
    body: { due: 1 },
  });
  await api.sql`DELETE FROM outbox_deliveries`;
  expect(await redeliver({ since: '2020-01-01T00:00:00Z' })).toMatchObject({ body: { due: 1 } });

  const manager = api.issuer.token({ 'cognito:groups': ['manager'] });
  expect((await redeliver({}, manager)).body.code).toBe('forbidden');
  for (const [json, code] of [
    [{ destination: 'amqp' }, 'not_configured'],
    [{ destination: 'cognito-mail' }, 'not_an_event'],
    [{ destination: 'nowhere' }, expect.any(String)],
    [{ since: 'yesterday' }, expect.any(String)],
    [{ waiting: 'yes' }, 'wrong_type'],
    [{ limit: 1 }, expect.any(String)],
  ] as const) {
    expect(await redeliver(json)).toMatchObject({
      status: 422,
      body: { code: 'invalid_request', errors: [{ code }] },
    });
  }
});
