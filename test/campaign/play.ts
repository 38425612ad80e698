import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { workflowIdOf } from '../../src/domain/registration.ts';
import { reset, resetPoints } from '../support/resets.ts';
import type { Api } from './api.ts';
import type { Action, Disturbance, PlannedRegistration } from './plan.ts';
import type { Site } from './site.ts';
import { proveAddress, type SignedUp } from './squatters.ts';

export const PASSWORD = 'Campaign-passw0rd';

/** A run can be reset once its first task is over. */
const RESETTABLE_MS = 5000;

/** What took place, and how often. */
export class Happened {
  readonly counts = new Map<string, number>();

  add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

export interface Stage {
  readonly site: Site;
  readonly api: Api;
  readonly happened: Happened;
  /** Registrations that were accepted, and what is planned for them. */
  readonly accepted: Map<string, PlannedRegistration>;
  /** Who is to be replaced, by address. */
  readonly signedUp: ReadonlyMap<string, SignedUp>;
  /** Sign-ups whose address Cognito says is proved. */
  readonly proved: Set<string>;
}

/** Registers one person and does to the registration what is planned. */
export async function play(stage: Stage, planned: PlannedRegistration): Promise<void> {
  await sleep(planned.atMs);
  const id = await register(stage, planned, 'first');
  await Promise.all([
    again(stage, planned),
    prove(stage, planned),
    ...(id === null ? [] : planned.actions.map((action) => act(stage, id, action))),
  ]);
}

async function register(
  { api, accepted, happened }: Stage,
  planned: PlannedRegistration,
  turn: string,
): Promise<string | null> {
  const { email, roles, password, through } = planned;
  const body = {
    email,
    roles,
    ...(password && { password: PASSWORD }),
    ...(planned.squatter && { replaceUnverified: true }),
  };
  const id = await api.register(through, body, `${turn}-${planned.atMs}-${email}`);
  happened.add(id === null ? 'not accepted: taken' : 'accepted');
  if (id !== null) accepted.set(id, planned);
  return id;
}

/** The owner of the address proves it, where Cognito still lets them. */
async function prove(
  { site, happened, signedUp, proved }: Stage,
  planned: PlannedRegistration,
): Promise<void> {
  const after = planned.squatter?.provesAfterMs ?? null;
  const person = signedUp.get(planned.email);
  if (after === null || person === undefined) return;
  await sleep(after);
  const isProved = await proveAddress(site, person);
  if (isProved) proved.add(person.id);
  happened.add(isProved ? 'address proved' : 'proof refused');
}

async function again(stage: Stage, planned: PlannedRegistration): Promise<void> {
  if (planned.againAfterMs === null) return;
  await sleep(planned.againAfterMs);
  await register(stage, planned, 'again');
}

async function act(stage: Stage, id: string, action: Action): Promise<void> {
  const { site, api, happened } = stage;
  await sleep(action.afterMs);
  const handle = site.temporal.workflow.getHandle(workflowIdOf(id));
  try {
    switch (action.kind) {
      case 'cancel':
        if (!(await api.want(action.through, id, 'cancel'))) return;
        break;
      case 'cancelInUi':
        await handle.cancel();
        break;
      case 'terminate':
        await handle.terminate('campaign');
        break;
      case 'reset':
        if (!(await resetTo(site, id, action.point))) return;
    }
    happened.add(action.kind);
  } catch (error) {
    // The run has ended, or has not begun yet, or was reset by somebody else meanwhile.
    if (error instanceof WorkflowNotFoundError || isGrpcServiceError(error)) return;
    throw error;
  }
}

/** Resets a run as soon as it can be. @param share which of the points, of 100 */
async function resetTo(site: Site, id: string, share: number): Promise<boolean> {
  const handle = site.temporal.workflow.getHandle(workflowIdOf(id));
  const runs = { client: site.temporal, handle: () => handle };
  for (const deadline = Date.now() + RESETTABLE_MS; Date.now() < deadline; await sleep(100)) {
    const points = await resetPoints(runs, id);
    const point = points[Math.floor((share * points.length) / 100)];
    if (point === undefined) continue;
    await reset(runs, point);
    return true;
  }
  return false;
}

/** Kills and restarts processes and cuts connections, one after the other. */
export async function disturb(
  { site, happened }: Stage,
  disturbances: readonly Disturbance[],
): Promise<void> {
  const from = performance.now();
  for (const { atMs, kind } of disturbances) {
    await sleep(Math.max(0, from + atMs - performance.now()));
    switch (kind) {
      case 'cutConnections':
        await site.cutConnections();
        break;
      case 'killWorker':
        await site.processes.restart('worker', 'kill');
        break;
      case 'stopWorker':
        await site.processes.restart('worker', 'stop');
        break;
      case 'killApi':
        await site.processes.restart('api', 'kill');
        break;
    }
    happened.add(kind);
  }
}
