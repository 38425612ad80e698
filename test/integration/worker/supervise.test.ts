import { inject, expect, test, vi } from 'vitest';
import { createWorker } from '../../../worker/worker.ts';
import { supervise, type SupervisedOptions } from '../../../worker/supervise.ts';
import { ownTemporal } from '../../support/own-temporal.ts';
import { uniqueTaskQueue } from '../../support/temporal.ts';

function begin(
  options: Pick<SupervisedOptions, 'createWorker'> & { namespace?: string },
  address = inject('temporalAddress'),
) {
  const said: string[] = [];
  const say = (_: object, message: string): void => void said.push(message);
  const supervised = supervise({
    connect: { address },
    namespace: 'default',
    log: { info: say, warn: say },
    ...options,
  });
  return { said, supervised };
}

test('a worker that cannot be created is not reported as an unreachable Temporal', async () => {
  let attempts = 0;
  const { said, supervised } = begin({
    createWorker: async (connection) => {
      attempts += 1;
      if (attempts < 3) throw new Error('the bundle is broken');
      const taskQueue = uniqueTaskQueue();
      return createWorker({ connection, namespace: 'default', taskQueue, activities: {} });
    },
  });
  await vi.waitFor(() => expect(supervised.state().worker).toBe('ok'), 60_000);
  await supervised.stop();
  expect(said).toEqual([
    'Temporal: connected',
    'worker: start failed; retrying',
    'worker is polling',
  ]);
});

test('an unreachable Temporal is logged once, and its return once', async (context) => {
  const temporal = await ownTemporal();
  if (!temporal) return context.skip('no Temporal program here');
  try {
    await temporal.start();
    const { said, supervised } = begin({ createWorker: null }, temporal.address);
    await vi.waitFor(() => expect(supervised.state().temporal).toBe('ok'), 60_000);
    await temporal.stop();
    await vi.waitFor(() => expect(supervised.state().temporal).toBe('degraded'), 60_000);
    await temporal.start();
    await vi.waitFor(() => expect(supervised.state().temporal).toBe('ok'), 60_000);
    await supervised.stop();
    expect(said).toEqual([
      'Temporal: connected',
      'Temporal: connection lost',
      'Temporal: connection restored',
    ]);
  } finally {
    await temporal.remove();
  }
});

test('a missing namespace is not reported as an unreachable Temporal', async () => {
  const { said, supervised } = begin({
    createWorker: () => Promise.reject(new Error('it is not asked for')),
    namespace: 'nowhere',
  });
  await vi.waitFor(() => expect(said).not.toEqual([]), 20_000);
  await supervised.stop();
  expect(said).toEqual(['Temporal: namespace not usable; retrying']);
});
