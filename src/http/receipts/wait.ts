import type { CompletedRegistration } from '../../domain/registration.ts';
import type { AppDeps } from '../app-deps.ts';

const FIRST_POLL_MS = 50;
const LAST_POLL_MS = 500;

/** A row whose status a request waits for. */
export interface StatusSource<Status> {
  readonly id: string;
  readonly status: Status;
  /** Whether the wait is over: the row is closed, parked, or needs a person. */
  readonly isSettled: (status: Status) => boolean;
  readonly readStatus: () => Promise<Status | null>;
}

/**
 * Waits until a row is settled, the time ends, the client disconnects or the process shuts down.
 * Updates in this process wake it; it polls for others.
 * @returns the completed registration where this process has just completed it: it need not be read
 */
export async function waitForStatus<Status>(
  deps: Pick<AppDeps, 'updates' | 'closing'>,
  source: StatusSource<Status>,
  seconds: number,
  client: AbortSignal,
): Promise<CompletedRegistration | null> {
  const until = Date.now() + seconds * 1000;
  const ended = AbortSignal.any([client, deps.closing]);
  const updates = deps.updates.subscribe(source.id);
  ended.addEventListener('abort', updates.wake);
  let { status } = source;
  let poll = FIRST_POLL_MS;
  try {
    while (!source.isSettled(status) && Date.now() < until && !ended.aborted) {
      await updates.wait(Math.min(poll, until - Date.now()));
      poll = Math.min(poll * 2, LAST_POLL_MS);
      const completed = updates.completed();
      if (completed) return completed;
      status = (await unlessAway(source.readStatus())) ?? status;
    }
    return null;
  } finally {
    updates.unsubscribe();
    ended.removeEventListener('abort', updates.wake);
  }
}

/** What was read, or null: a short database outage does not end a wait, since the work is accepted. */
export async function unlessAway<T>(reading: Promise<T>): Promise<T | null> {
  return await reading.catch(() => null);
}
