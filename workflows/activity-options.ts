import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';

/** One attempt: its requests take 4 s at most, so that they abort before the activity does. */
const ATTEMPT = '5 seconds';
const BACKOFF = { initialInterval: '200 ms', backoffCoefficient: 2, maximumInterval: '10 seconds' };
// Whoever compensates must know that nothing is in flight any more.
const SETTLED = { cancellationType: 'WAIT_CANCELLATION_COMPLETED' } as const;

/** Everything once: 3 s inside, and under 80 % of the 5 s workflow task; never retried here, since
 * what it leaves goes on as ordinary activities. */
export const AT_ONCE: LocalActivityOptions = {
  ...SETTLED,
  startToCloseTimeout: '3500 ms',
  scheduleToCloseTimeout: '3800 ms',
  retry: { maximumAttempts: 1 },
  summary: 'every step once',
};

/** A step that parks, or compensates, when its attempts are spent. */
export function budgeted(attempts: number): ActivityOptions {
  return {
    ...SETTLED,
    startToCloseTimeout: ATTEMPT,
    retry: { ...BACKOFF, maximumAttempts: attempts },
  };
}

/** Without end: the row's own transitions. A database that is away comes back, and a run that gave
 * up on its row would leave a user behind. A minute apart at most. */
export const UNENDING: ActivityOptions = {
  ...SETTLED,
  startToCloseTimeout: ATTEMPT,
  retry: { ...BACKOFF, maximumInterval: '60 seconds', maximumAttempts: Number.POSITIVE_INFINITY },
};

/** Without end, slowly: create never parks, and compensation never gives up. Attempts of one
 * activity add no events, so the history does not grow. */
export const SLOW: ActivityOptions = {
  ...SETTLED,
  startToCloseTimeout: ATTEMPT,
  retry: {
    initialInterval: '60 seconds',
    backoffCoefficient: 1,
    maximumAttempts: Number.POSITIVE_INFINITY,
  },
};

/** Work of the schedules: one bounded round; the next one comes by the schedule, so no retry is worth
 * more than three. */
export const ROUND: ActivityOptions = {
  startToCloseTimeout: '10 minutes',
  // A worker that dies in a round would otherwise hold back every later one.
  heartbeatTimeout: '20 seconds',
  retry: { initialInterval: '1 second', maximumAttempts: 3 },
};

/** The relay runs for ten minutes. Its retries have no end, because nothing else delivers the outbox. A
 * worker that dies is noticed within 10 s. */
export const RELAY: ActivityOptions = {
  startToCloseTimeout: '15 minutes',
  heartbeatTimeout: '10 seconds',
  retry: {
    initialInterval: '1 second',
    maximumInterval: '10 seconds',
    maximumAttempts: Number.POSITIVE_INFINITY,
  },
};

/** One part of a comparison, which may have many; the next day's comes by the schedule. What a
 * killed worker had found lies in its heartbeat. */
export const COMPARISON: ActivityOptions = {
  startToCloseTimeout: '15 minutes',
  heartbeatTimeout: '20 seconds',
  retry: { initialInterval: '5 seconds', maximumInterval: '5 minutes', maximumAttempts: 20 },
};
