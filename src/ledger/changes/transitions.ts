import type { Database } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';
import type { PublicFailure } from '../../domain/registration.ts';
import type { StepUpdates } from '../registrations/transitions.ts';
import type { RefusesChange } from './accept.ts';

/** Told once, after the commit, by the call that really moved the row; a repeat moves nothing. */
export type OnChangeStatusChanged = (change: Change) => void;

/** The row as it stands. @throws DatabaseError; an id without a row is a bug and throws too. */
export async function readChangeRow(_db: Database, _id: string): Promise<Change> {
  throw new Error('not written yet');
}

/**
 * The open change of a person that goes first. Overtaking ones go before all changes of roles that were
 * accepted before them. The row learns which run looked at it last.
 * @returns null where none is open
 */
export async function nextChange(
  _db: Database,
  _userId: string,
  _runId: string | null,
): Promise<Change | null> {
  throw new Error('not written yet');
}

export interface ChangeStart {
  /** The groups as they were read and corrected; only the first one recorded counts. */
  readonly rolesBefore: readonly string[] | null;
  readonly enabledBefore: boolean | null;
}

export type BeginChangeResult =
  /** It may act, also when it had begun before. */
  | { readonly kind: 'begun'; readonly change: Change }
  /** Nothing was written, and nobody could grant every role after it. */
  | { readonly kind: 'last_administrator'; readonly change: Change }
  /** It is closed, being put back, or to be cancelled: the row says which. */
  | { readonly kind: 'not_forward'; readonly change: Change };

/**
 * Begins a change: `accepted` becomes `running`, a parked one stays parked. From here Cognito may be
 * written. A change that adds roles learns all of them. For `disable` and `delete` the person's tokens
 * end already. Repeatable.
 * @param refuses only asked of a change that has not begun
 */
export async function beginChange(
  _db: Database,
  _id: string,
  _start: ChangeStart,
  _refuses: RefusesChange | null,
): Promise<BeginChangeResult> {
  throw new Error('not written yet');
}

/** Notes steps of an open row; a closed one stays as it is. */
export async function recordChangeSteps(
  _db: Database,
  _id: string,
  _steps: StepUpdates,
): Promise<Change> {
  throw new Error('not written yet');
}

/**
 * Moves an open change to where everything is put back; it never goes forward again. One with the
 * instruction to cancel ends cancelled, whatever failed meanwhile. A `sign_out` or `delete` that has
 * begun is not cancelled. The returned row says what holds: see `restoresAs`.
 */
export async function beginRestoring(
  _db: Database,
  _id: string,
  _cause: { readonly restoresAs: 'failed' | 'cancelled'; readonly failure: PublicFailure },
  _steps: StepUpdates,
): Promise<Change> {
  throw new Error('not written yet');
}

/** Closes a change that was put back as `failed` or `cancelled`. Idempotent. */
export async function closeChange(
  _db: Database,
  _id: string,
  _steps: StepUpdates,
  _onStatusChanged?: OnChangeStatusChanged,
): Promise<Change> {
  throw new Error('not written yet');
}
