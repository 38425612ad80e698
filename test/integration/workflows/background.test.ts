import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { BACKGROUND_SLOTS } from '../../../worker/background-worker.ts';
import { backgroundTaskQueueOf } from '../../../workflows/messages.ts';
import { requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import type { StartKind } from '../../../src/domain/runs.ts';
import { insertLostRows } from '../../support/lost-rows.ts';
import type { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const ILL = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } } as const;
/** What the sweep looks at together. */
const AT_ONCE = 5;

/** Steps of background runs that are under way. */
const steps = { now: 0, most: 0 };
/** Runs that have begun to read their row. */
const begun = new Set<string>();

test.override('sagaOptions', {
  wrap: (real) => ({
    ...real,
    async registerAtOnce(ref) {
      const result = await real.registerAtOnce(ref);
      begun.add(ref.registrationId);
      return result;
    },
    async assignRole(ref) {
      if (!ref.background) return await real.assignRole(ref);
      steps.now += 1;
      steps.most = Math.max(steps.most, steps.now);
      return await real.assignRole(ref).finally(() => {
        steps.now -= 1;
      });
    },
  }),
});

async function parkSome(saga: Saga, count: number) {
  await saga.pool.setFaults([ILL]);
  const registrations = await Promise.all(Array.from({ length: count }, () => saga.register()));
  for (const { id } of registrations) await saga.untilStatus(id, 'roles_pending');
  await saga.pool.clearFaults();
  return registrations;
}

async function park(saga: Saga) {
  const [registration] = await parkSome(saga, 1);
  if (!registration) throw new Error('none is parked');
  return registration;
}

async function forgetLostRows(saga: Saga): Promise<void> {
  await saga.ownerDb.execute(sql`DELETE FROM registrations WHERE email LIKE 'lost-%'`);
}

/** How often the history has each kind of event. */
async function eventsOf(saga: Saga, id: string) {
  const { events } = await saga.handle(id).fetchHistory();
  const all = events ?? [];
  return {
    tasks: all.filter((event) => event.workflowTaskCompletedEventAttributes).length,
    localActivities: all.filter((event) => event.markerRecordedEventAttributes).length,
    activities: all.filter((event) => event.activityTaskScheduledEventAttributes).length,
    timers: all.filter((event) => event.timerStartedEventAttributes).length,
    activityQueues: all.flatMap(
      ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.taskQueue?.name ?? [],
    ),
  };
}

/** The saga's runs, with what a sweep started, in order. */
function observed(saga: Saga) {
  const started: { id: string; how: StartKind }[] = [];
  let mostWaiting = 0;
  const runs = {
    ...saga.runs,
    async start(id: string, how: StartKind) {
      started.push({ id, how });
      const waiting = started.filter((run) => !begun.has(run.id)).length;
      mostWaiting = Math.max(mostWaiting, waiting);
      await saga.runs.start(id, how);
    },
  };
  return { runs, started, mostWaiting: () => mostWaiting };
}

test('while 2,000 lost parked runs are restarted, new registrations stay on the fast path', async ({
  saga,
}) => {
  const parked = await park(saga);
  await insertLostRows(saga.ownerDb, parked.id, 2000);
  const stopping = new AbortController();
  const { runs, started, mostWaiting } = observed(saga);
  const sweeping = saga.sweep({ runs, stopping: stopping.signal });
  await saga.eventually(async () => started.length > 0);
  const fresh: string[] = [];
  const caller = async (): Promise<void> => {
    for (let made = 0; made < 10; made += 1) {
      const { id } = await saga.register();
      expect(await saga.ending(id)).toBe('completed');
      fresh.push(id);
    }
  };
  await Promise.all([caller(), caller(), caller()]);
  await saga.eventually(async () => started.length > 2 * AT_ONCE);
  stopping.abort();
  const { restarted } = await sweeping;
  // A run without its row would go on asking for it.
  await saga.eventually(async () => started.every(({ id }) => begun.has(id)));
  await forgetLostRows(saga);

  expect(fresh).toHaveLength(30);
  for (const id of fresh) {
    const { activityQueues: _, ...events } = await eventsOf(saga, id);
    expect(events).toEqual({ tasks: 1, localActivities: 1, activities: 0, timers: 0 });
  }
  expect(restarted).toBe(started.length);
  expect(restarted).toBeLessThan(2000);
  expect(mostWaiting()).toBeLessThanOrEqual(AT_ONCE);
  // A restarted parked run reads its row and waits: one task, no quota, no attempt of a step.
  for (const { id, how } of started) {
    expect(how).toBe('lost');
    const { activityQueues: _, ...events } = await eventsOf(saga, id);
    expect(events).toEqual({ tasks: 1, localActivities: 1, activities: 0, timers: 0 });
  }
  await saga.handle(parked.id).terminate();
  await saga.ownerDb.execute(sql`DELETE FROM registrations WHERE id = ${parked.id}`);
});

test('the sweep restarts first what a person asked for, then what nobody has begun', async ({
  saga,
}) => {
  const parked = await park(saga);
  await insertLostRows(saga.ownerDb, parked.id, 20);
  const rows = await saga.db.execute<{ id: string }>(
    sql`SELECT id FROM registrations WHERE email LIKE 'lost-%' ORDER BY id LIMIT 1`,
  );
  const asked = rows[0]?.id ?? '';
  await requestRetry(saga.db, asked, OPERATOR);
  const { id: accepted } = await saga.accept();
  await saga.ownerDb.execute(sql`UPDATE registrations SET
    instruction_at = instruction_at - interval '1 minute',
    accepted_at = accepted_at - interval '1 minute', swept_at = swept_at + interval '30 minutes'
    WHERE id IN (${asked}, ${accepted})`);
  await saga.ownerDb.execute(
    sql`UPDATE registrations SET swept_at = accepted_at WHERE id = ${accepted}`,
  );
  const { runs, started } = observed(saga);
  await saga.sweep({ runs });
  expect(started.slice(0, 2)).toEqual([
    { id: asked, how: 'first' },
    { id: accepted, how: 'first' },
  ]);
  expect(started).toHaveLength(21);
  expect(new Set(started.slice(2).map(({ how }) => how))).toEqual(new Set(['lost']));
  for (const { id } of started)
    await saga
      .handle(id)
      .terminate()
      .catch(() => undefined);
  await forgetLostRows(saga);
  await saga.handle(parked.id).terminate();
  await saga.ownerDb.execute(sql`DELETE FROM registrations WHERE id = ${parked.id}`);
});

test('a sweep whose runs find no free worker starts no more of them', async ({ saga }) => {
  const parked = await park(saga);
  await insertLostRows(saga.ownerDb, parked.id, 20);
  await saga.stopWorker();
  const { runs, started } = observed(saga);
  await saga.sweep({ runs });
  expect(started).toHaveLength(AT_ONCE);
  await saga.startWorker();
  for (const { id } of started) await saga.handle(id).terminate();
  await forgetLostRows(saga);
  await saga.handle(parked.id).terminate();
  await saga.ownerDb.execute(sql`DELETE FROM registrations WHERE id = ${parked.id}`);
});

test('steps of resumed runs take the background slots, and those of an operator’s retry do not', async ({
  saga,
}) => {
  const parked = await parkSome(saga, 12);
  const [retried, ...resumed] = parked;
  await saga.pool.setFaults([ILL]);
  await saga.ownerDb.execute(
    sql`UPDATE registrations SET next_resume_at = now() WHERE id <> ${retried?.id ?? ''}`,
  );
  await saga.resumeDue();
  await saga.pool.clearFaults();
  const background = backgroundTaskQueueOf(saga.taskQueue);
  const queues = await Promise.all(resumed.map(({ id }) => eventsOf(saga, id)));
  expect(queues.filter((of) => of.activityQueues.includes(background)).length).toBeGreaterThan(0);
  expect(steps.most).toBeGreaterThan(0);
  expect(steps.most).toBeLessThanOrEqual(BACKGROUND_SLOTS);

  const before = await eventsOf(saga, retried?.id ?? '');
  await requestRetry(saga.db, retried?.id ?? '', OPERATOR);
  await saga.runs.resume(retried?.id ?? '', 'operator');
  expect(await saga.ending(retried?.id ?? '')).toBe('completed');
  const after = await eventsOf(saga, retried?.id ?? '');
  const queuesOfRetry = after.activityQueues.slice(before.activities);
  expect(new Set(queuesOfRetry)).toEqual(new Set([saga.taskQueue]));
  for (const { id } of resumed) await saga.handle(id).cancel();
  for (const { id } of resumed) await saga.ending(id);
});
