import { expect, test } from 'vitest';
import { billableActions, type HistoryEvent } from '../../bench/billable-actions.ts';

const started: HistoryEvent = { workflowExecutionStartedEventAttributes: {} };
const scheduled: HistoryEvent = { activityTaskScheduledEventAttributes: {} };
const attempt = (number: number): HistoryEvent => ({
  activityTaskStartedEventAttributes: { attempt: number },
});
const marker = (task: number): HistoryEvent => ({
  markerRecordedEventAttributes: { workflowTaskCompletedEventId: task },
});
const localRetries = (count: number): HistoryEvent => ({
  workflowTaskCompletedEventAttributes: {
    meteringMetadata: { nonfirstLocalActivityExecutionAttempts: count },
  },
});

test('a start with one local activity is two actions', () => {
  const taskCompleted = { workflowTaskCompletedEventAttributes: {} };
  expect(billableActions([started, {}, {}, taskCompleted, marker(4), {}])).toBe(2);
});

test('all local activities of one workflow task are one action', () => {
  expect(billableActions([started, marker(4), marker(4), marker(9)])).toBe(3);
});

test('an activity is one action, and each of its retries another', () => {
  const three = [scheduled, attempt(1), scheduled, attempt(1), scheduled, attempt(1)];
  expect(billableActions([started, ...three])).toBe(4);
  expect(billableActions([started, scheduled, attempt(3)])).toBe(4);
});

test('retries of local activities count up to 100 in a workflow task', () => {
  expect(billableActions([localRetries(2)])).toBe(2);
  expect(billableActions([localRetries(1000)])).toBe(100);
});

test.each<[string, HistoryEvent, number]>([
  ['a timer', { timerStartedEventAttributes: {} }, 1],
  ['a signal', { workflowExecutionSignaledEventAttributes: {} }, 1],
  ['an update', { workflowExecutionUpdateAcceptedEventAttributes: {} }, 1],
  ['search attributes', { upsertWorkflowSearchAttributesEventAttributes: {} }, 1],
  ['changed options', { workflowExecutionOptionsUpdatedEventAttributes: {} }, 1],
  ['a child workflow', { startChildWorkflowExecutionInitiatedEventAttributes: {} }, 2],
  ['any other event', {}, 0],
])('%s costs what the rules say', (_name, event, actions) => {
  expect(billableActions([event])).toBe(actions);
});
