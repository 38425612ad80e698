import { defineSearchAttributeKey } from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';
import { STATUS_ATTRIBUTE, type ResumedBy } from './messages.ts';

/** Whether somebody woke the run since it last looked. One object per run: workflow code keeps no
 * module state. */
export interface Wake {
  by: ResumedBy | null;
}

const STATUS = defineSearchAttributeKey(STATUS_ATTRIBUTE, 'KEYWORD');

/** Shows the row's word in the UI's list while the run is open and not running. */
export function showStatus(status: string | null): void {
  upsertSearchAttributes([{ key: STATUS, value: status }]);
}
