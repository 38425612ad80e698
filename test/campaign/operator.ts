import { setTimeout as sleep } from 'node:timers/promises';
import type { Decision } from './plan.ts';
import type { Stage } from './stage.ts';

const LOOK_EVERY_MS = 200;
const RETRY_EVERY_MS = 2000;
/** Long enough for the schedule to resume it. */
const LEFT_MS = 6000;

/** Decides about what is parked, as planned, and retries a cleanup that is stuck, until it is over. */
export async function operate(stage: Stage, over: AbortSignal): Promise<void> {
  await Promise.all([operateRegistrations(stage, over), operateChanges(stage, over)]);
}

async function operateChanges(stage: Stage, over: AbortSignal): Promise<void> {
  const { api, changes, happened } = stage;
  const turns = new Map<string, number>();
  const notBefore = new Map<string, number>();
  while (!over.aborted) {
    for (const { id } of await api.changesInStatus('parked')) {
      if (performance.now() < (notBefore.get(id) ?? 0)) continue;
      const turn = turns.get(id) ?? 0;
      turns.set(id, turn + 1);
      const decision = changes.get(id)?.decisions[turn] ?? 'retry';
      notBefore.set(id, performance.now() + (decision === 'leave' ? LEFT_MS : RETRY_EVERY_MS));
      if (decision === 'leave') continue;
      if (await api.wantChange('api', id, decision)) happened.add(`${decision} of a parked change`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

async function operateRegistrations(stage: Stage, over: AbortSignal): Promise<void> {
  const { api, accepted, happened } = stage;
  const turns = new Map<string, number>();
  /** When somebody looks at a registration again. */
  const notBefore = new Map<string, number>();
  while (!over.aborted) {
    for (const { id, status } of await api.inStatus('roles_pending', 'cleanup_required')) {
      if (performance.now() < (notBefore.get(id) ?? 0)) continue;
      const turn = turns.get(id) ?? 0;
      const planned: Decision | undefined = accepted.get(id)?.decisions[turn];
      if (status === 'cleanup_required' || planned === undefined) {
        notBefore.set(id, performance.now() + RETRY_EVERY_MS);
        if (await api.want('api', id, 'retry')) happened.add(`retry of ${status}`);
        continue;
      }
      turns.set(id, turn + 1);
      if (planned.kind === 'leave') {
        notBefore.set(id, performance.now() + LEFT_MS);
        continue;
      }
      const what = planned.kind === 'roles' ? { roles: planned.roles } : planned.kind;
      if (await api.want(planned.through, id, what)) happened.add(`${planned.kind} while parked`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}
