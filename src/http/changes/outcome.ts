import { isOpenChange, type Change } from '../../domain/change.ts';
import { FAILURES, isFailureName } from '../../domain/failure.ts';
import type { PublicFailure } from '../../domain/registration.ts';
import { codeOf } from '../receipts/receipt-parts.ts';
import { Problem } from '../problems/problem-details.ts';

export const CHANGE_FAILED =
  'The change failed and was undone: the user is as before. Please try again.';

/** The problem with which a change ended; null if there is none. */
export function changeProblemOf(change: Change): Problem | null {
  if (change.status === 'cancelled') {
    return new Problem('registration_cancelled', { detail: FAILURES.change_cancelled.publicText });
  }
  if (change.status !== 'failed') return null;
  const failure = publicChangeFailureOf(change);
  const code = failure && codeOf(failure.code);
  if (!failure || !code) return new Problem('registration_failed', { detail: CHANGE_FAILED });
  return new Problem(code, { detail: failure.detail });
}

/** The failure as the public reads it: the texts of definitive failures in the table are about
 * registrations. */
export function publicChangeFailureOf(change: Change): PublicFailure | null {
  const { failure } = change;
  if (!failure || !isFailureName(failure.cause)) return failure;
  if (FAILURES[failure.cause].kind !== 'definitive') return failure;
  return { ...failure, detail: detailOf(change, failure) };
}

function detailOf({ status }: Change, { cause, detail }: PublicFailure): string {
  if (isOpenChange(status)) return 'The change failed and is being undone.';
  if (cause === 'change_cancelled') return detail;
  if (cause === 'user_vanished') {
    return 'The user was deleted outside Registrar, so nothing can be changed.';
  }
  return CHANGE_FAILED;
}
