import { setTimeout as sleep } from 'node:timers/promises';
import { userWorkflowIdOf } from '../../src/domain/change.ts';
import type { PlannedChange } from './change-plan.ts';
import { act } from './act.ts';
import type { Stage } from './stage.ts';

/** A registration that is not complete by then has nobody to change. */
const COMPLETE_MS = 120_000;
const LOOK_EVERY_MS = 100;

/** Changes the person of a registration as planned, once it is complete. */
export async function changePerson(
  stage: Stage,
  registrationId: string,
  planned: readonly PlannedChange[],
): Promise<void> {
  if (planned.length === 0) return;
  const userId = await personOf(stage, registrationId);
  if (userId === null) return;
  await Promise.all(
    planned.map((change, turn) => one(stage, userId, change, `${registrationId}-${turn}`)),
  );
}

async function one(
  stage: Stage,
  userId: string,
  planned: PlannedChange,
  key: string,
): Promise<void> {
  const { api, changes, happened } = stage;
  await sleep(planned.afterMs);
  const id = await api.change(planned, userId, key);
  happened.add(id === null ? `${planned.kind}: not accepted` : `${planned.kind}: accepted`);
  if (id === null) return;
  changes.set(id, planned);
  await Promise.all(
    planned.actions.map((action) =>
      act(stage, userWorkflowIdOf(userId), action, (through) =>
        api.wantChange(through, id, 'cancel'),
      ),
    ),
  );
}

/** @returns the sub; null where nobody was registered */
async function personOf({ api }: Stage, registrationId: string): Promise<string | null> {
  const deadline = Date.now() + COMPLETE_MS;
  while (Date.now() < deadline) {
    const { status, userId } = await api.receipt(registrationId);
    if (status === 'completed') return userId;
    if (status === 'failed' || status === 'cancelled') return null;
    await sleep(LOOK_EVERY_MS);
  }
  return null;
}
