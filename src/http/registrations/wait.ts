import type { Context } from 'hono';
import type { AuditEvent } from '../../domain/audit-event.ts';
import type { Registration } from '../../domain/registration.ts';
import { isClosed, type RegistrationStatus } from '../../domain/status.ts';
import { readRegistration, readStatus } from '../../ledger/registrations/read.ts';
import type { AppDeps } from '../app-deps.ts';
import { unlessAway, waitForStatus } from '../receipts/wait.ts';

type Deps = Pick<AppDeps, 'db' | 'updates' | 'closing'>;

/** A wait is over when the registration is closed, parked, or needs a person. */
function isSettled(status: RegistrationStatus): boolean {
  return isClosed(status) || status === 'roles_pending' || status === 'cleanup_required';
}

/**
 * Waits until a registration is settled. Returns the latest known state if the time ends, the client
 * disconnects or the process shuts down first.
 */
export async function waitUntilSettled(
  deps: Deps,
  registration: Registration,
  seconds: number,
  client: AbortSignal,
): Promise<Registration> {
  return (await wait(deps, registration, seconds, client)).row;
}

/** What is known after a wait. */
export interface Waited {
  readonly row: Registration;
  /** The audit events of a completed registration; null where they have to be read. */
  readonly timeline: readonly AuditEvent[] | null;
}

async function wait(
  deps: Deps,
  registration: Registration,
  seconds: number,
  client: AbortSignal,
): Promise<Waited> {
  const { id, status } = registration;
  if (isSettled(status)) return { row: registration, timeline: null };
  const source = { id, status, isSettled, readStatus: () => readStatus(deps.db, id) };
  const completed = await waitForStatus(deps, source, seconds, client);
  if (completed) return { row: completed.registration, timeline: completed.timeline };
  const row = await unlessAway(readRegistration(deps.db, id));
  return { row: row ?? registration, timeline: null };
}

/** Like waitUntilSettled, for a `Prefer` header; sets `Preference-Applied`. */
export async function waitAsPreferred(
  deps: Deps,
  c: Context,
  registration: Registration,
  seconds: number,
): Promise<Waited> {
  c.header('Preference-Applied', `wait=${seconds}`);
  return await wait(deps, registration, seconds, c.req.raw.signal);
}
