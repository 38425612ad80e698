import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Change } from '../../../src/domain/change.ts';
import type { Registration } from '../../../src/domain/registration.ts';
import type { Backlog } from '../../../src/domain/backlog.ts';
import { createMetrics, type MetricSources } from '../../../src/telemetry/metrics.ts';

const NOTHING: Backlog = { open: [], changes: [], outbox: [], givenUp: [] };

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function metricsOf(over: Partial<MetricSources> = {}) {
  return createMetrics({
    readBacklog: async () => NOTHING,
    temporal: () => ({ up: true, polls: false }),
    others: () => '',
    ...over,
  });
}

/** Value of each series of a scrape, by its line without the value. */
async function scrape(metrics: ReturnType<typeof metricsOf>): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => /^[a-z]/.test(line));
  return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]));
}

const row = (over: Partial<Registration>) =>
  ({
    status: 'completed',
    door: 'step',
    acceptedAt: new Date(1000),
    finishedAt: new Date(3000),
    failure: null,
    ...over,
  }) as Registration;

test('metrics count endings by door, time until usable and compensations by cause', async () => {
  const metrics = metricsOf();
  metrics.telemetry.statusChanged(row({}));
  metrics.telemetry.statusChanged(row({ status: 'cancelled', door: 'users' }));
  metrics.telemetry.statusChanged(
    row({
      status: 'compensating',
      failure: { code: 'terminated', cause: 'terminated', detail: '' },
    }),
  );
  metrics.telemetry.statusChanged(row({ status: 'running' }));
  metrics.telemetry.compensationFailed('identity_provider_unavailable');
  const shown = await scrape(metrics);
  expect(shown.get('registrar_registrations_total{ending="completed",door="step"}')).toBe(1);
  expect(shown.get('registrar_registrations_total{ending="cancelled",door="users"}')).toBe(1);
  expect(shown.get('registrar_registrations_total{ending="failed",door="step"}')).toBe(0);
  expect(shown.get('registrar_time_to_usable_seconds_sum{door="step"}')).toBe(2);
  expect(shown.get('registrar_time_to_usable_seconds_count{door="users"}')).toBe(0);
  expect(shown.get('registrar_compensations_total{code="terminated"}')).toBe(1);
  const failures = 'registrar_compensation_failures_total{code="identity_provider_unavailable"}';
  expect(shown.get(failures)).toBe(1);
});

const change = (over: Partial<Change>) =>
  ({
    kind: 'roles',
    status: 'completed',
    acceptedAt: new Date(1000),
    finishedAt: new Date(3500),
    ...over,
  }) as Change;

test('metrics count the endings of changes by kind, and time those that complete', async () => {
  const metrics = metricsOf();
  metrics.telemetry.changeStatusChanged(change({}));
  metrics.telemetry.changeStatusChanged(change({ kind: 'delete', status: 'failed' }));
  metrics.telemetry.changeStatusChanged(change({ status: 'parked', finishedAt: null }));
  const shown = await scrape(metrics);
  const ended = (kind: string, ending: string) =>
    shown.get(`registrar_changes_total{kind="${kind}",ending="${ending}"}`);
  expect(ended('roles', 'completed')).toBe(1);
  expect(ended('delete', 'failed')).toBe(1);
  expect(ended('sign_out', 'cancelled')).toBe(0);
  expect(shown.get('registrar_change_duration_seconds_sum{kind="roles"}')).toBe(2.5);
  expect(shown.get('registrar_change_duration_seconds_count{kind="delete"}')).toBe(0);
});

test('metrics show waiting rows with their oldest, and zeros for the rest', async () => {
  const shown = await scrape(
    metricsOf({
      readBacklog: async () => ({
        open: [
          { status: 'accepted', code: null, count: 3, oldestSeconds: 40 },
          { status: 'roles_pending', code: 'user_not_visible', count: 1, oldestSeconds: 9 },
          {
            status: 'roles_pending',
            code: 'identity_provider_refused',
            count: 2,
            oldestSeconds: 70,
          },
        ],
        changes: [
          { status: 'accepted', code: null, count: 2, oldestSeconds: 5 },
          { status: 'running', code: null, count: 1, oldestSeconds: 30 },
          { status: 'parked', code: 'identity_provider_refused', count: 1, oldestSeconds: 90 },
          { status: 'parked', code: 'user_not_visible', count: 1, oldestSeconds: 80 },
        ],
        outbox: [{ destination: 'webhook', count: 5, oldestSeconds: 600 }],
        givenUp: [{ destination: 'webhook', count: 4 }],
      }),
    }),
  );
  const value = (series: string) => shown.get(`registrar_${series}`);
  expect(value('open_registrations{status="accepted"}')).toBe(3);
  expect(value('open_registrations{status="roles_pending"}')).toBe(3);
  expect(value('open_registrations{status="cleanup_required"}')).toBe(0);
  expect(value('parked_registrations{code="identity_provider_refused"}')).toBe(2);
  expect(value('parked_registrations{code="identity_provider_throttled"}')).toBe(0);
  expect(value('oldest_parked_seconds')).toBe(70);
  expect(value('oldest_accepted_seconds')).toBe(40);
  expect(value('open_changes{status="accepted"}')).toBe(2);
  expect(value('open_changes{status="parked"}')).toBe(2);
  expect(value('parked_changes{code="identity_provider_refused"}')).toBe(1);
  expect(value('parked_changes{code="identity_provider_throttled"}')).toBe(0);
  expect(value('oldest_parked_change_seconds')).toBe(90);
  expect(value('oldest_unparked_change_seconds')).toBe(30);
  expect(value('outbox_pending{destination="webhook"}')).toBe(5);
  expect(value('outbox_lag_seconds{destination="webhook"}')).toBe(600);
  expect(value('outbox_lag_seconds{destination="amqp"}')).toBe(0);
  expect(value('outbox_given_up{destination="webhook"}')).toBe(4);
  expect(value('database_up')).toBe(1);
});

test('many scrapes ask the ledger once in five seconds, and what is over is gone', async () => {
  let reads = 0;
  const found = [{ destination: 'amqp', count: 1, oldestSeconds: 1 }];
  const metrics = metricsOf({
    readBacklog: async () => {
      reads += 1;
      return reads === 1 ? { ...NOTHING, outbox: found } : NOTHING;
    },
  });
  const all = await Promise.all(Array.from({ length: 20 }, () => scrape(metrics)));
  expect(all.map((shown) => shown.get('registrar_outbox_pending{destination="amqp"}'))).toEqual(
    Array(20).fill(1),
  );
  vi.advanceTimersByTime(4999);
  await scrape(metrics);
  expect(reads).toBe(1);
  vi.advanceTimersByTime(1);
  const later = await scrape(metrics);
  expect(reads).toBe(2);
  expect(later.get('registrar_outbox_pending{destination="amqp"}')).toBe(0);
});

test('a scrape without PostgreSQL says so and shows everything but the ledger', async () => {
  let away = true;
  const metrics = metricsOf({
    readBacklog: async () => {
      if (away) throw new Error('away');
      return NOTHING;
    },
  });
  const shown = await scrape(metrics);
  expect(shown.get('registrar_database_up')).toBe(0);
  expect(shown.get('registrar_temporal_up')).toBe(1);
  expect(
    [...shown.keys()].filter((name) => /^registrar_(?:open|parked|oldest|outbox)/.test(name)),
  ).toEqual([]);
  expect(shown.has('process_cpu_seconds_total')).toBe(true);
  away = false;
  vi.advanceTimersByTime(5000);
  const back = await scrape(metrics);
  expect(back.get('registrar_database_up')).toBe(1);
  expect(back.get('registrar_oldest_parked_seconds')).toBe(0);
});

test('PostgreSQL that does not answer holds a scrape for two seconds, and is not asked twice', async () => {
  let reads = 0;
  const { promise, resolve } = Promise.withResolvers<Backlog>();
  const metrics = metricsOf({
    readBacklog: async () => {
      reads += 1;
      return await promise;
    },
  });
  for (let round = 0; round < 2; round += 1) {
    const scraped = scrape(metrics);
    await setImmediate();
    vi.advanceTimersByTime(2000);
    expect((await scraped).get('registrar_database_up')).toBe(0);
    vi.advanceTimersByTime(5000);
  }
  expect(reads).toBe(1);
  resolve(NOTHING);
  expect((await scrape(metrics)).get('registrar_database_up')).toBe(1);
});

test('the SDK’s lines come last, and no metric is exposed twice', async () => {
  const text = await metricsOf({ others: () => 'temporal_x 1\n' }).text();
  expect(text.endsWith('\ntemporal_x 1\n')).toBe(true);
  const types = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(new Set(types).size).toBe(types.length);
});

test('label values come from known sets, never from callers', () => {
  const labels = new Set(
    metricsOf()
      .describe()
      .flatMap((metric) => metric.labels),
  );
  expect([...labels].toSorted()).toEqual([
    'code',
    'destination',
    'door',
    'ending',
    'kind',
    'method',
    'operation',
    'outcome',
    'route',
    'status',
  ]);
});
