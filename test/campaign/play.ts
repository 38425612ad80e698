import { setTimeout as sleep } from 'node:timers/promises';
import { workflowIdOf } from '../../src/domain/registration.ts';
import { act } from './act.ts';
import type { Action, Through } from './actions.ts';
import { changePerson } from './change-play.ts';
import type { Disturbance, PlannedRegistration } from './plan.ts';
import type { ProfilePlan } from './profile-plan.ts';
import { proveAddress } from './squatters.ts';
import type { Stage } from './stage.ts';

export const PASSWORD = 'Campaign-passw0rd';

/** Registers one person and does to the registration what is planned. */
export async function play(stage: Stage, planned: PlannedRegistration): Promise<void> {
  await sleep(planned.atMs);
  const id = await register(stage, planned, 'first');
  await Promise.all([
    again(stage, planned),
    prove(stage, planned),
    ...(id === null
      ? []
      : [
          ...planned.actions.map((action) => actOnRegistration(stage, id, action)),
          changePerson(stage, id, planned.changes),
        ]),
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

async function actOnRegistration(stage: Stage, id: string, action: Action): Promise<void> {
  const cancel = (through: Through) => stage.api.want(through, id, 'cancel');
  await act(stage, workflowIdOf(id), action, cancel);
}

/** The profile service is away for a while. */
export async function profilesAway(
  { site, happened }: Stage,
  { atMs, ms }: ProfilePlan['outages'][number],
): Promise<void> {
  await sleep(atMs);
  site.profiles?.awayFor(ms);
  happened.add('profile service away');
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
