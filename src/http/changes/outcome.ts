import { isOpenChange, type Change } from '../../domain/change.ts';
import { FAILURES, isFailureName } from '../../domain/failure.ts';
import type { PublicFailure } from '../../domain/registration.ts';
import { codeOf } from '../receipts/receipt-parts.ts';
import { Problem } from '../problems/problem-details.ts';

/** The problem with which a change ended; null if there is none. */
export function changeProblemOf({ status, failure }: Change): Problem | null {
  if (status === 'cancelled') {
    return new Problem('registration_cancelled', { detail: FAILURES.change_cancelled.publicText });
  }
  if (status !== 'failed') return null;
  const code = failure && codeOf(failure.code);
  if (code) return new Problem(code, { detail: failure.detail });
  return new Problem('registration_failed', { detail: FAILURES.change_rejected.publicText });
}

/** The failure as the public reads it: one that is definitive says that everything was undone. */
export function publicChangeFailureOf({ status, failure }: Change): PublicFailure | null {
  const isUndone = !isOpenChange(status);
  if (!failure || isUndone || !isFailureName(failure.cause)) return failure;
  if (FAILURES[failure.cause].kind !== 'definitive') return failure;
  return { ...failure, detail: 'The change failed and is being undone.' };
}
