import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { TemporalOverview } from '../domain/overview.ts';
import { temporalReason } from './connection.ts';
import { readSchedules, unknownSchedules } from './schedules.ts';
import { isPolled } from './task-queue.ts';

/** An overview must not wait for a Temporal that is away. */
export const ANSWERS_WITHIN_MS = 1000;

export interface TemporalOverviewOptions {
  readonly namespace: string;
  readonly taskQueue: string;
  /** How long Temporal has to answer. */
  readonly withinMs: number;
}

/** What Temporal says of its schedules and workers, in bounded time; never throws.
 * @param client null while Temporal is away */
export async function readTemporalOverview(
  client: Client | null,
  { namespace, taskQueue, withinMs }: TemporalOverviewOptions,
): Promise<TemporalOverview> {
  if (client === null) return temporalAway('is not connected', taskQueue);
  const answered = new AbortController();
  const late = delay(withinMs, null, { signal: answered.signal }).catch(() => null);
  const asked = Promise.all([
    readSchedules(client, taskQueue),
    isPolled(client.connection, { namespace, taskQueue }),
  ]);
  try {
    const answer = await Promise.race([asked, late]);
    if (answer === null) return noReply(withinMs, taskQueue);
    const [schedules, polled] = answer;
    return { away: null, isPolled: polled, schedules };
  } catch (error) {
    return temporalAway(`answered: ${temporalReason(error) ?? 'unknown'}`, taskQueue);
  } finally {
    answered.abort();
    // What comes too late fails for nobody.
    asked.catch(() => undefined);
  }
}

function noReply(withinMs: number, taskQueue: string): TemporalOverview {
  return temporalAway(`does not answer: no reply within ${withinMs / 1000} s`, taskQueue);
}

/** @param reason what it does instead, as in `Temporal at <address> <reason>` */
export function temporalAway(reason: string, taskQueue: string): TemporalOverview {
  return { away: reason, isPolled: null, schedules: unknownSchedules(taskQueue) };
}
