import type { HeldLock } from '../../src/db/advisory-lock.ts';
import { atEdge, DatabaseError } from '../../src/ledger/database-error.ts';
import type { WatchedDestination } from './destination.ts';
import { adopt, deliverDue } from './deliver-due.ts';
import { sendInvitations, type InvitationDeps } from './invitations.ts';
import { recoverPasswords, type RecoveryDeps } from './password-recoveries.ts';
import { pause } from './pause.ts';
import { prune } from './prune.ts';
import { endPromisedSessions } from './sign-outs.ts';

/** After this the activity ends, and the schedule starts the next one. */
const RELAY_MS = 10 * 60_000;
/** How often a relay that waits for the lock asks for it. */
const LOCK_MS = 1000;
const HEARTBEAT_MS = 2000;

/** Each may wait for a mail of another person; a sign-out waits for none of them. */
const RECOVERIES_AT_ONCE = 2;

export interface RelayDeps extends InvitationDeps, RecoveryDeps {
  /** One relay at a time in the deployment; null while another has the lock. */
  readonly lock: () => Promise<HeldLock | null>;
  /** Opens what the configuration names. */
  readonly destinations: () => readonly WatchedDestination[];
  /** Aborts when the process stops. */
  readonly stopping: AbortSignal;
}

/**
 * Delivers from the outbox until its time is over, the process stops or the lock is lost. Destinations
 * do not wait for each other.
 * @throws DatabaseError also when the lock was lost: another relay has to start
 */
export async function relay(deps: RelayDeps, heartbeat: () => void): Promise<void> {
  const timeUp = AbortSignal.timeout(RELAY_MS);
  const beating = setInterval(heartbeat, HEARTBEAT_MS);
  try {
    const lock = await waitForLock(deps, AbortSignal.any([deps.stopping, timeUp]));
    if (!lock) return;
    const failed = new AbortController();
    const over = AbortSignal.any([deps.stopping, timeUp, lock.lost, failed.signal]);
    const destinations = deps.destinations();
    const loops = [
      sendInvitations(deps, over),
      ...Array.from({ length: RECOVERIES_AT_ONCE }, () => recoverPasswords(deps, over)),
      endPromisedSessions(deps, over),
      prune(deps, over),
      ...(destinations.length > 0 ? adopt(deps, destinations, over) : []),
      ...destinations.map((destination) => deliverDue(deps, destination, over)),
    ];
    try {
      // All of them are over before the lock is given back: nothing is in flight then.
      const ended = await Promise.allSettled(loops.map((loop) => endAll(loop, failed)));
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
      if (lock.lost.aborted) throw new DatabaseError('relay lock lost', null);
    } finally {
      await Promise.all(destinations.map((destination) => destination.close()));
      await lock.release();
    }
  } finally {
    clearInterval(beating);
  }
}

async function waitForLock(deps: RelayDeps, over: AbortSignal): Promise<HeldLock | null> {
  while (!over.aborted) {
    const lock = await atEdge(deps.lock);
    if (lock) return lock;
    await pause(LOCK_MS, over);
  }
  return null;
}

async function endAll(loop: Promise<void>, failed: AbortController): Promise<void> {
  try {
    await loop;
  } catch (error) {
    failed.abort();
    throw error;
  }
}
