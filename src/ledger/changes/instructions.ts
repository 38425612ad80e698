import type { Database } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';
import type { InstructionInput } from '../registrations/instructions.ts';
import type { OnChangeStatusChanged } from './transitions.ts';

/** Wants a parked change resumed, also one that puts everything back: it is `running` again at once. */
export async function requestChangeRetry(
  _db: Database,
  _id: string,
  _instruction: InstructionInput,
): Promise<{ readonly kind: 'done'; readonly change: Change } | { readonly kind: 'not_parked' }> {
  throw new Error('not written yet');
}

/**
 * Wants a change cancelled. `closed`: it had not begun, and is cancelled at once · `done`: its run puts
 * everything back · `restoring`: it does so already; audited, and nothing changes.
 */
export async function requestChangeCancel(
  _db: Database,
  _id: string,
  _instruction: InstructionInput,
  _onStatusChanged?: OnChangeStatusChanged,
): Promise<
  | { readonly kind: 'closed' | 'done' | 'restoring'; readonly change: Change }
  | { readonly kind: 'already_closed' }
> {
  throw new Error('not written yet');
}

/** The run of the person was cancelled in Temporal while it performed this change: the instruction to
 * cancel, where the change can be cancelled and nobody has given it. Repeatable. */
export async function cancelRunningChange(
  _db: Database,
  _id: string,
  _onStatusChanged?: OnChangeStatusChanged,
): Promise<Change> {
  throw new Error('not written yet');
}

/** The run has seen the instruction to retry. The returned row says what is wanted now. */
export async function acknowledgeChangeInstruction(_db: Database, _id: string): Promise<Change> {
  throw new Error('not written yet');
}

/** Instructions older than `olderThanMs` that no run has taken: the API died before sending them. */
export async function undeliveredChangeInstructions(
  _db: Database,
  _olderThanMs: number,
  _limit: number,
): Promise<{ id: string; userId: string }[]> {
  throw new Error('not written yet');
}
