import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  WorkflowNotFoundError,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client';
import type { ScheduleState } from '../domain/overview.ts';

export interface ScheduleSettings {
  /** Also the prefix of the schedules' ids: one deployment's do not meet another's. */
  readonly taskQueue: string;
  readonly resumeIntervalSeconds: number;
  readonly sweepIntervalSeconds: number;
}

/** The relay runs for ten minutes, or until its worker stops; the next one starts within this. */
const RELAY_CHECK_SECONDS = 10;
const COMPARE_SECONDS = 24 * 3600;

/** Makes the schedules, or sets their intervals anew. Repeatable. */
export async function ensureSchedules(client: Client, settings: ScheduleSettings): Promise<void> {
  for (const schedule of schedulesOf(settings)) await ensure(client, schedule);
}

/** The ids of schedules that are not there, or run at another interval than expected. */
export async function missingSchedules(
  client: Client,
  settings: ScheduleSettings,
): Promise<string[]> {
  const missing: string[] = [];
  for (const { scheduleId, spec } of schedulesOf(settings)) {
    try {
      const found = await client.schedule.getHandle(scheduleId).describe();
      const [expected, there] = [spec, found.spec].map(({ intervals }) =>
        Number(intervals?.[0]?.every),
      );
      if (there !== expected) missing.push(scheduleId);
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      missing.push(scheduleId);
    }
  }
  return missing;
}

/** The schedules of a deployment while nobody knows more than their names. */
export function unknownSchedules(taskQueue: string): ScheduleState[] {
  return scheduleIds(taskQueue).map((id) => ({
    name: nameOf(id, taskQueue),
    exists: null,
    lastRunAt: null,
    lastOutcome: null,
    nextRunAt: null,
  }));
}

/** What Temporal says of each schedule of a deployment. */
export async function readSchedules(client: Client, taskQueue: string): Promise<ScheduleState[]> {
  return await Promise.all(
    scheduleIds(taskQueue).map((scheduleId) => readSchedule(client, scheduleId, taskQueue)),
  );
}

function scheduleIds(taskQueue: string): string[] {
  // Which schedules there are does not depend on their intervals.
  const all = schedulesOf({ taskQueue, resumeIntervalSeconds: 1, sweepIntervalSeconds: 1 });
  return all.map(({ scheduleId }) => scheduleId);
}

function nameOf(scheduleId: string, taskQueue: string): string {
  return scheduleId.slice(taskQueue.length + 1);
}

async function readSchedule(
  client: Client,
  scheduleId: string,
  taskQueue: string,
): Promise<ScheduleState> {
  const name = nameOf(scheduleId, taskQueue);
  try {
    const { info } = await client.schedule.getHandle(scheduleId).describe();
    const last = info.recentActions.at(-1);
    return {
      name,
      exists: true,
      lastRunAt: last?.takenAt ?? null,
      lastOutcome: last ? await outcomeOf(client, last.action.workflow) : null,
      nextRunAt: info.nextActionTimes[0] ?? null,
    };
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    return { name, exists: false, lastRunAt: null, lastOutcome: null, nextRunAt: null };
  }
}

async function outcomeOf(
  client: Client,
  run: { readonly workflowId: string; readonly firstExecutionRunId: string },
): Promise<string | null> {
  try {
    const handle = client.workflow.getHandle(run.workflowId, run.firstExecutionRunId);
    return (await handle.describe()).status.name.toLowerCase();
  } catch (error) {
    // Its retention has ended.
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

async function ensure(client: Client, schedule: ScheduleOptions): Promise<void> {
  try {
    await client.schedule.create(schedule);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule
      .getHandle(schedule.scheduleId)
      .update(({ state }) => ({ ...schedule, state }));
  }
}

function schedulesOf(settings: ScheduleSettings): ScheduleOptions[] {
  const { taskQueue } = settings;
  const of = (workflowType: string, everySeconds: number, catchupMs = 60_000): ScheduleOptions => ({
    scheduleId: `${taskQueue}-${workflowType}`,
    spec: { intervals: [{ every: everySeconds * 1000 }] },
    action: {
      type: 'startWorkflow',
      workflowType,
      workflowId: `${taskQueue}-${workflowType}`,
      taskQueue,
      workflowTaskTimeout: '5 seconds',
      args: [],
    },
    // A round that lasts longer than its interval is not joined by another. Rounds missed while
    // Temporal was away are made up for by the next one.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: catchupMs },
    state: { triggerImmediately: true },
  });
  return [
    of('sweepRegistrations', settings.sweepIntervalSeconds),
    of('resumeStuckRegistrations', settings.resumeIntervalSeconds),
    of('relayEvents', RELAY_CHECK_SECONDS),
    // Missed in the night, it is made up for in the morning.
    of('comparePool', COMPARE_SECONDS, (COMPARE_SECONDS / 2) * 1000),
  ];
}
