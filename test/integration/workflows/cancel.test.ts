import { WorkflowNotFoundError } from '@temporalio/client';
import { expect } from 'vitest';
import { requestCancel } from '../../../src/ledger/registrations/instructions.ts';
import type { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';
import type { Path } from '../../support/script.ts';

const CANCELS = 80;
const AT_ONCE = 10;
/** A few milliseconds at each call, so that every step is long enough to be met. */
const LATENCY_MS = 15;
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers from 0 to 1; the same seed, the same numbers (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Plan {
  readonly by: 'ui' | 'api';
  readonly roles: readonly string[];
  readonly wantsProfile: boolean;
  readonly afterMs: number;
}

/** @param withinMs about as long as a registration takes, and a little longer */
function plansOf(random: () => number, withinMs: number): Plan[] {
  return Array.from({ length: CANCELS }, (_, index) => ({
    by: index % 2 === 0 ? 'ui' : 'api',
    wantsProfile: index % 4 > 1,
    roles: ['manager', 'researcher', 'viewer'].slice(Math.floor(random() * 3)),
    afterMs: random() * withinMs,
  }));
}

async function cancel(saga: Saga, id: string, by: Plan['by']): Promise<void> {
  const requested =
    by === 'ui' || (await requestCancel(saga.db, id, { actor: 'operator', reason: null })).kind;
  if (requested === 'already_closed') return;
  try {
    await saga.runs.cancel(id);
  } catch (error) {
    // The run has ended meanwhile: the row says how.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

interface End {
  readonly whole: boolean;
  readonly nothing: boolean;
  /** For whoever has to find out what happened. */
  readonly seen: object;
}

async function registerAndCancel(saga: Saga, plan: Plan): Promise<End> {
  const { roles, wantsProfile } = plan;
  const registration = await saga.register({ roles, wantsProfile });
  await new Promise((resolve) => setTimeout(resolve, plan.afterMs));
  await cancel(saga, registration.id, plan.by);
  await saga.ending(registration.id);
  const world = await saga.world(registration);
  const events = await saga.events(registration.id);
  const profile = await (await saga.profileSite()).of(registration.id);
  const whole =
    (profile !== null) === wantsProfile &&
    world.status === 'completed' &&
    world.mark === registration.id &&
    world.roles.join() === plan.roles.join() &&
    events.includes('user.registered');
  const nothing =
    world.status === 'cancelled' &&
    world.mark === null &&
    profile === null &&
    !events.includes('user.registered');
  return { whole, nothing, seen: { id: registration.id, plan, world, profile, events } };
}

/** How long registrations take here and now, ten at a time. */
async function usualMs(saga: Saga): Promise<number> {
  const since = Date.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      const { id } = await saga.register({ roles: ['researcher', 'viewer'] });
      await saga.ending(id);
    }),
  );
  return Date.now() - since;
}

test.for<Path>(['fast', 'ordinary'])(
  `each of ${CANCELS} registrations that are cancelled at random moments is whole or leaves nothing, %s path`,
  async (path, { sagas }) => {
    const saga = sagas[path];
    await saga.pool.setFaults([{ operation: '*', fault: { kind: 'latency', ms: LATENCY_MS } }]);
    const waiting = plansOf(randomOf(SEED), 1.2 * (await usualMs(saga)));
    const ended: End[] = [];
    const lane = async (): Promise<void> => {
      for (let plan = waiting.pop(); plan; plan = waiting.pop()) {
        ended.push(await registerAndCancel(saga, plan));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    const wrong = ended.filter(({ whole, nothing }) => !whole && !nothing);
    expect(wrong, `SEED=${SEED}`).toEqual([]);

    const completed = ended.filter(({ whole }) => whole).length;
    // Both ends were met, or the moments were not random enough to prove anything.
    expect(completed, `SEED=${SEED}`).toBeGreaterThan(0);
    expect(completed, `SEED=${SEED}`).toBeLessThan(CANCELS);
    const deleted = (await saga.pool.calls())['AdminDeleteUser']?.done ?? 0;
    expect(deleted, `SEED=${SEED}`).toBeLessThanOrEqual(CANCELS - completed);
  },
);
