import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, Newcomer, type Started } from './newcomer.ts';

const PLAN = 'dev/faults/park-and-resume.json';
// The README's, but for the schedule: ten seconds instead of a minute.
const ENV = { RETRY_BUDGET_SECONDS: '2', RESUME_INTERVAL_SECONDS: '10' };
const PARKED = {
  status: 202,
  receipt: { status: 'roles_pending', failure: { code: 'identity_provider_unavailable' } },
};

let newcomer: Newcomer;
beforeAll(async () => {
  newcomer = await Newcomer.arrive();
});
afterAll(() => newcomer.leave());

const untilCompleted = async ({ api }: Started, bearer: string, id: unknown): Promise<void> => {
  await expect
    .poll(() => call(`${api}/registrations/${String(id)}`, bearer), {
      timeout: 90_000,
      interval: 200,
    })
    .toMatchObject({ body: { status: 'completed', failure: null } });
};

const withAddress = ({ curl }: Started, email: string): string =>
  curl.replace(/[\w-]+@example\.com/, email);

const setFaults = async (plan: string): Promise<void> => {
  expect(await newcomer.npm('run', 'faults', '--', plan)).toMatchObject({ code: 0 });
};

test('with the README’s fault plan runs park and heal, and kill -9 loses nothing', async () => {
  const started = await newcomer.start(['--', '--faults', PLAN], ENV);
  const bearer = await newcomer.token();
  const first = await newcomer.paste(withAddress(started, 'parked@example.com'));
  expect(first).toMatchObject(PARKED);
  // Nobody presses anything: the schedule does it.
  await untilCompleted(started, bearer, first.receipt['id']);

  await setFaults(PLAN);
  const second = await newcomer.paste(withAddress(started, 'parked-too@example.com'));
  expect(second).toMatchObject(PARKED);
  const retry = `${started.api}/registrations/${String(second.receipt['id'])}/retry`;
  expect(await call(retry, bearer, { reason: 'it is back' })).toMatchObject({ status: 202 });
  await untilCompleted(started, bearer, second.receipt['id']);

  const slow = { operation: 'AdminAddUserToGroup', fault: { kind: 'latency', ms: 60_000 } };
  await setFaults(JSON.stringify([slow]));
  const curl = withAddress(started, 'mid-run@example.com').replace('wait=10', 'wait=1');
  const third = await newcomer.paste(curl);
  expect(third).toMatchObject({ status: 202, receipt: { status: 'running' } });
  expect(await newcomer.end(started, (pid) => process.kill(-pid, 'SIGKILL'))).toEqual([]);
  const next = await newcomer.start();
  await untilCompleted(next, await newcomer.token(), third.receipt['id']);
  expect(await newcomer.end(next, (pid) => process.kill(pid, 'SIGINT'))).toEqual([]);
}, 300_000);
