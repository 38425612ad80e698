import { expect } from 'vitest';
import { type Api } from '../support/deployment.ts';
import { scrape } from '../support/exposition.ts';
import type { Program } from '../support/program.ts';
import { test } from '../support/deployment-test.ts';

let api: Api;
let worker: Program & { readonly url: string };

test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
  api = await deployment.api({ IN_PROCESS_WORKER: 'false', METRICS_PORT: '0' });
  const program = await deployment.worker({ WORKER_PORT: '0' });
  const [, url = ''] = await program.says(/"url":"(http:[^"]+)","msg":"worker is listening"/);
  worker = { ...program, url };
});

test('the worker counts the endings of registrations', async ({ deployment }) => {
  await deployment.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      match: { email: 'slowly*' },
      times: 1,
      fault: { kind: 'throttle' },
    },
    {
      operation: 'AdminAddUserToGroup',
      match: { email: 'fails*' },
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
    {
      operation: 'AdminDeleteUser',
      match: { email: 'fails*' },
      times: 1,
      fault: { kind: 'server' },
    },
  ]);
  const wait = { prefer: 'wait=30' };
  for (const name of ['quickly', 'slowly']) {
    expect((await deployment.register(api, `${name}@example.com`, wait)).status).toBe(201);
  }
  const body = { email: 'door@example.com', roles: ['viewer'] };
  expect((await deployment.call(api, 'POST', '/api/step/users', body)).status).toBe(201);
  expect((await deployment.register(api, 'fails@example.com', wait)).status).toBe(500);

  const shown = await scrape(worker.url);
  const ended = (ending: string, door: string) =>
    shown.value('registrar_registrations_total', { ending, door });
  expect([ended('completed', 'canonical'), ended('completed', 'step')]).toEqual([2, 1]);
  expect([ended('failed', 'canonical'), ended('failed', 'step')]).toEqual([1, 0]);
  expect(shown.value('registrar_time_to_usable_seconds_count', { door: 'canonical' })).toBe(2);
  const code = 'registration_failed';
  expect(shown.value('registrar_compensations_total', { code })).toBe(1);
  const failures = { code: 'identity_provider_unavailable' };
  expect(shown.value('registrar_compensation_failures_total', failures)).toBe(1);
  const operation = 'AdminAddUserToGroup';
  expect(shown.value('registrar_cognito_throttles_total', { operation })).toBe(1);
  expect(shown.value('registrar_cognito_calls_total', { operation, outcome: 'ok' })).toBe(3);
  expect(shown.value('registrar_cognito_calls_total', { operation, outcome: 'missing' })).toBe(1);
  expect(shown.value('registrar_cognito_call_duration_seconds_count', { operation })).toBe(5);
  expect(shown.value('registrar_worker_polling')).toBe(1);

  const atApi = await scrape(api.metricsUrl);
  const here = { ending: 'completed', door: 'canonical' };
  expect(atApi.value('registrar_registrations_total', here)).toBe(0);
  expect(atApi.value('registrar_worker_polling')).toBe(0);
  const requests = { method: 'POST', route: '/registrations' };
  const count = 'registrar_http_request_duration_seconds_count';
  expect(atApi.value(count, { ...requests, status: '201' })).toBe(2);
  expect(atApi.value(count, { ...requests, status: '500' })).toBe(1);
});

test('API and worker expose the ledger and the metrics of Temporal’s SDK', async ({
  deployment,
}) => {
  await deployment.pool.setFaults([
    { operation: 'AdminAddUserToGroup', fault: { kind: 'refused' } },
  ]);
  const { body } = await deployment.register(api, 'parked@example.com');
  await deployment.untilStatus(api, String(body['id']), 'roles_pending', 30_000);
  const both = await deployment.api({ IN_PROCESS_WORKER: 'true', METRICS_PORT: '0' });
  for (const { metricsUrl } of [api, both]) {
    const shown = await freshScrape(metricsUrl);
    expect(shown.value('registrar_database_up')).toBe(1);
    expect(shown.value('registrar_open_registrations', { status: 'roles_pending' })).toBe(1);
    const code = 'identity_provider_refused';
    expect(shown.value('registrar_parked_registrations', { code })).toBe(1);
    expect(shown.value('registrar_oldest_parked_seconds')).toBeGreaterThan(0);
    expect(shown.names).toContain('temporal_request_total');
    expect(shown.names).toContain('process_cpu_seconds_total');
  }
  const shown = await scrape(worker.url);
  const registerUser = shown
    .labelsOf('temporal_workflow_completed_total')
    .filter((labels) => labels['workflow_type'] === 'registerUser');
  expect(registerUser).toHaveLength(1);
  expect(shown.names).toContain('temporal_workflow_task_schedule_to_start_latency_seconds_bucket');
  await deployment.pool.clearFaults();
});

/** The ledger is asked every 5 s at most. */
async function freshScrape(url: string) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const shown = await scrape(url);
    const parked = shown.value('registrar_open_registrations', { status: 'roles_pending' });
    if (parked === 1 || Date.now() > deadline) return shown;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

test('a worker answers liveness and readiness probes and no other path', async () => {
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(`${worker.url}${path}`, { method });
    return [answer.status, answer.headers.get('content-type'), await answer.text()];
  };
  expect(await ask('/health/live')).toEqual([200, 'application/json', '{"status":"ok"}']);
  const ready = { status: 'ok', postgres: 'ok', temporal: 'ok', worker: 'ok' };
  expect(await ask('/health/ready')).toEqual([200, 'application/json', JSON.stringify(ready)]);
  expect((await ask('/metrics'))[1]).toMatch(/^text\/plain; version=0\.0\.4/);
  for (const path of ['/', '//', '/registrations', '/metrics/', '/health/live/..%2f']) {
    expect((await ask(path))[0]).toBe(404);
  }
  expect((await ask('/metrics', 'POST'))[0]).toBe(404);
});

test('the API serves only metrics on METRICS_PORT', async () => {
  expect(api.metricsUrl).not.toBe(api.url);
  const ask = async (url: string) => (await fetch(url)).status;
  expect(await ask(`${api.metricsUrl}/metrics`)).toBe(200);
  for (const path of ['/', '/registrations', '/health/ready', '/docs']) {
    expect(await ask(`${api.metricsUrl}${path}`)).toBe(404);
  }
  expect(await ask(`${api.url}/metrics`)).toBe(404);
});

test.for([
  ['production', {}, false],
  ['staging', {}, false],
  ['local', {}, true],
  ['local', { METRICS_PORT: '0' }, false],
] as const)(
  'with ENVIRONMENT=%s and %j the API serves metrics on its own port: %s',
  async ([ENVIRONMENT, env, there], { deployment }) => {
    const another = await deployment.api({ ENVIRONMENT, IN_PROCESS_WORKER: 'false', ...env });
    expect((await fetch(`${another.url}/metrics`)).status).toBe(there ? 200 : 404);
    const document = (await (await fetch(`${another.url}/openapi.json`)).json()) as {
      paths: object;
    };
    expect(Object.hasOwn(document.paths, '/metrics')).toBe(there);
  },
);

test('SIGTERM ends an API that serves metrics, with a scraper’s connection kept open', async ({
  deployment,
}) => {
  const ending = await deployment.api({ METRICS_PORT: '0' });
  await scrape(ending.metricsUrl);
  ending.signal('SIGTERM');
  expect(await ending.exit).toEqual({ code: 0, signal: null });
});

test.for([
  ['WORKER_PORT', 'worker/main.ts'],
  ['METRICS_PORT', 'src/main.ts'],
  ['PORT', 'src/main.ts'],
] as const)(
  'a process reports a taken %s in one line and ends',
  async ([variable, entry], { deployment }) => {
    const { port } = new URL(worker.url);
    const { code, output } = await deployment.command(entry, { [variable]: port });
    expect(code).toBe(1);
    const lines = output.split('\n');
    expect(lines.filter((line) => line !== '' && !line.startsWith('{'))).toEqual([
      `${variable}: 127.0.0.1:${port} is taken by another process`,
    ]);
  },
);

test.for([
  ['worker/main.ts', { WORKER_PORT: '0' }],
  ['src/main.ts', { PORT: '0' }],
] as const)(
  'a HOST that is not of this machine ends %s with a line about HOST',
  async ([entry, env], { deployment }) => {
    // Set aside for documents.
    const { code, output } = await deployment.command(entry, { ...env, HOST: '192.0.2.1' });
    expect(code).toBe(1);
    expect(output).toMatch(/^HOST: cannot listen on 192\.0\.2\.1:0 \(EADDRNOTAVAIL\)$/m);
  },
);

test('SIGTERM ends a worker that listens, with a scraper’s connection kept open', async () => {
  await scrape(worker.url);
  worker.signal('SIGTERM');
  expect(await worker.exit).toEqual({ code: 0, signal: null });
});
