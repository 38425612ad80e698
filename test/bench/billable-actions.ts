/** As much of an event of Temporal's history as decides what it costs; the SDK's events fit. */
export interface HistoryEvent {
  readonly workflowExecutionStartedEventAttributes?: object | null;
  readonly startChildWorkflowExecutionInitiatedEventAttributes?: object | null;
  readonly activityTaskScheduledEventAttributes?: object | null;
  readonly activityTaskStartedEventAttributes?: { readonly attempt?: number | null } | null;
  readonly workflowTaskCompletedEventAttributes?: {
    readonly meteringMetadata?: {
      readonly nonfirstLocalActivityExecutionAttempts?: number | null;
    } | null;
  } | null;
  readonly markerRecordedEventAttributes?: {
    readonly workflowTaskCompletedEventId?: { toString(): string } | null;
  } | null;
  readonly timerStartedEventAttributes?: object | null;
  readonly workflowExecutionSignaledEventAttributes?: object | null;
  readonly workflowExecutionUpdateAcceptedEventAttributes?: object | null;
  readonly upsertWorkflowSearchAttributesEventAttributes?: object | null;
  readonly workflowExecutionOptionsUpdatedEventAttributes?: object | null;
}

/** Retries of local activities beyond this many in one workflow task cost nothing. */
const MOST_LOCAL_RETRIES = 100;

/**
 * The actions that Temporal Cloud would bill for a workflow with this history, by the rules of
 * https://docs.temporal.io/evaluate/cloud/actions. A heartbeat or a query leaves no event.
 */
export function billableActions(events: readonly HistoryEvent[]): number {
  const tasksWithMarkers = new Set<string>();
  let actions = 0;
  for (const event of events) {
    const { markerRecordedEventAttributes: marker } = event;
    if (marker) tasksWithMarkers.add(String(marker.workflowTaskCompletedEventId));
    actions += actionsOf(event);
  }
  // All local activities of one workflow task are one action.
  return actions + tasksWithMarkers.size;
}

function actionsOf(event: HistoryEvent): number {
  if (event.startChildWorkflowExecutionInitiatedEventAttributes) return 2;
  const { attempt } = event.activityTaskStartedEventAttributes ?? {};
  if (attempt) return attempt - 1;
  const metering = event.workflowTaskCompletedEventAttributes?.meteringMetadata;
  const retries = metering?.nonfirstLocalActivityExecutionAttempts ?? 0;
  if (retries > 0) return Math.min(retries, MOST_LOCAL_RETRIES);
  const costsOne =
    event.workflowExecutionStartedEventAttributes ??
    event.activityTaskScheduledEventAttributes ??
    event.timerStartedEventAttributes ??
    event.workflowExecutionSignaledEventAttributes ??
    event.workflowExecutionUpdateAcceptedEventAttributes ??
    event.upsertWorkflowSearchAttributesEventAttributes ??
    event.workflowExecutionOptionsUpdatedEventAttributes;
  return costsOne ? 1 : 0;
}
