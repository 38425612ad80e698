import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { eq } from 'drizzle-orm';
import { outbox } from '../../src/db/schema.ts';
import type { Registration } from '../../src/domain/registration.ts';
import type { RegistrationStatus } from '../../src/domain/status.ts';
import type { Saga } from './saga.ts';

/** Everything there is of a registration: in the pool, the ledger, the trail and the outbox. */
export async function everything(saga: Saga, registration: Registration) {
  return {
    world: await saga.world(registration),
    profile: registration.wantsProfile && (await (await saga.profileSite()).of(registration.id)),
    row: await saga.row(registration.id),
    events: await saga.events(registration.id),
    outbox: await saga.db.select().from(outbox).where(eq(outbox.registrationId, registration.id)),
  };
}

/** Of a run that waits: the row names the run that looked at it last. */
export async function everythingButTheRun(saga: Saga, registration: Registration): Promise<object> {
  const { row, ...rest } = await everything(saga, registration);
  const { runId: _runId, ...same } = row;
  return { ...rest, row: same };
}

type Request = Parameters<Client['workflowService']['resetWorkflowExecution']>[0];

/** Temporal's RESET_REAPPLY_TYPE_NONE. */
const NO_EVENTS = 2;

export interface ResetPoint {
  readonly workflowId: string;
  readonly runId: string;
  readonly eventId: NonNullable<Request['workflowTaskFinishEventId']>;
}

/** Every event of the latest run that the server resets to, as the UI offers them, oldest first. */
export async function resetPoints(saga: Pick<Saga, 'handle'>, id: string): Promise<ResetPoint[]> {
  return await resetPointsOf(saga.handle(id));
}

/** The same of any workflow. */
export async function resetPointsOf(handle: WorkflowHandle): Promise<ResetPoint[]> {
  const { workflowId } = handle;
  const { runId } = await handle.describe();
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap((event) => {
    const resettable =
      event.workflowTaskCompletedEventAttributes ??
      event.workflowTaskFailedEventAttributes ??
      event.workflowTaskTimedOutEventAttributes;
    return resettable && event.eventId ? [{ workflowId, runId, eventId: event.eventId }] : [];
  });
}

/** Resets as the UI does, which tells the new run the signals since then, unless they are left out.
 * @returns the new run's id */
export async function reset(
  saga: Pick<Saga, 'client'>,
  { workflowId, runId: from, eventId }: ResetPoint,
  { withoutSignals = false }: { readonly withoutSignals?: boolean } = {},
): Promise<string> {
  const { runId } = await saga.client.workflowService.resetWorkflowExecution({
    namespace: saga.client.options.namespace,
    workflowExecution: { workflowId, runId: from },
    workflowTaskFinishEventId: eventId,
    requestId: randomUUID(),
    reason: 'test',
    ...(withoutSignals && { resetReapplyType: NO_EVENTS }),
  });
  return runId;
}

/** The run says in the UI that it waits, for what the status says, and nothing of it is under way. */
export async function untilItWaits(
  saga: Saga,
  id: string,
  status: RegistrationStatus,
  runId?: string,
): Promise<void> {
  await saga.eventually(async () => {
    const now = await saga.handle(id).describe();
    const shown = now.searchAttributes['RegistrationStatus']?.[0] === status;
    const same = runId === undefined || now.runId === runId;
    // A cleanup that is stuck waits for its next attempt.
    const busy = (now.raw.pendingActivities ?? []).filter((activity) => !activity.lastFailure);
    return same && shown && busy.length === 0;
  });
}
