import type { Context } from 'hono';
import type { AuditEvent } from '../../domain/audit-event.ts';
import type { Registration } from '../../domain/registration.ts';
import { isClosed, type RegistrationStatus } from '../../domain/status.ts';
import { readRegistration, readStatus } from '../../ledger/registrations/read.ts';
import type { AppDeps } from '../app-deps.ts';

const FIRST_POLL_MS = 50;
const LAST_POLL_MS = 500;

/** A wait is over when the registration is closed, parked, or needs a person. */
function isSettled(status: RegistrationStatus): boolean {
  return isClosed(status) || status === 'roles_pending' || status === 'cleanup_required';
}

/**
 * Waits until a registration is settled. Returns the latest known state if the time ends, the client
 * disconnects or the process shuts down first. Changes in this process wake it; it polls for others.
 */
export async function waitUntilSettled(
  deps: Pick<AppDeps, 'db' | 'updates' | 'closing'>,
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
  deps: Pick<AppDeps, 'db' | 'updates' | 'closing'>,
  registration: Registration,
  seconds: number,
  client: AbortSignal,
): Promise<Waited> {
  const until = Date.now() + seconds * 1000;
  const ended = AbortSignal.any([client, deps.closing]);
  const updates = deps.updates.subscribe(registration.id);
  ended.addEventListener('abort', updates.wake);
  let { status } = registration;
  let poll = FIRST_POLL_MS;
  try {
    if (isSettled(status)) return { row: registration, timeline: null };
    while (!isSettled(status) && Date.now() < until && !ended.aborted) {
      await updates.wait(Math.min(poll, until - Date.now()));
      poll = Math.min(poll * 2, LAST_POLL_MS);
      const completed = updates.completed();
      if (completed) return { row: completed.registration, timeline: completed.timeline };
      status = (await orNull(readStatus(deps.db, registration.id))) ?? status;
    }
    const row = await orNull(readRegistration(deps.db, registration.id));
    return { row: row ?? registration, timeline: null };
  } finally {
    updates.unsubscribe();
    ended.removeEventListener('abort', updates.wake);
  }
}

/** Like waitUntilSettled, for a `Prefer` header; sets `Preference-Applied`. */
export async function waitAsPreferred(
  deps: Pick<AppDeps, 'db' | 'updates' | 'closing'>,
  c: Context,
  registration: Registration,
  seconds: number,
): Promise<Waited> {
  c.header('Preference-Applied', `wait=${seconds}`);
  return await wait(deps, registration, seconds, c.req.raw.signal);
}

// A short database outage does not end a wait: the registration is already accepted.
async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  return await reading.catch(() => null);
}
