import type { Database } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';
import type { StepUpdates } from '../registrations/transitions.ts';
import type { OnChangeStatusChanged } from './transitions.ts';

export type CompleteChangeResult =
  /** Also when it was completed before. */
  | { readonly kind: 'completed'; readonly change: Change }
  | { readonly kind: 'not_forward'; readonly change: Change };

/**
 * The only way to `completed`: row, audit event, the event for others and the end of tokens in one
 * transaction; of a deletion also the erasure, and the end of the person's other open changes. A completed
 * row is done and inserts nothing, so a commit whose reply was lost can be repeated.
 */
export async function completeChange(
  _db: Database,
  _id: string,
  _steps: StepUpdates,
  _onStatusChanged?: OnChangeStatusChanged,
): Promise<CompleteChangeResult> {
  throw new Error('not written yet');
}
