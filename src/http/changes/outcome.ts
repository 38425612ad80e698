import { isOpenChange, type Change } from '../../domain/change.ts';
import { FAILURES, isFailureName, type FailureCode } from '../../domain/failure.ts';
import type { PublicFailure } from '../../domain/registration.ts';
import { codeOf } from '../receipts/receipt-parts.ts';
import { Problem } from '../problems/problem-details.ts';

const CHANGE_FAILED = FAILURES.change_rejected.publicText;

/** What a code means at a change, where the text of the table is about a registration. */
export const CHANGE_DETAILS: Partial<Record<FailureCode, string>> = {
  registration_failed: CHANGE_FAILED,
  registration_cancelled: FAILURES.change_cancelled.publicText,
  not_parked:
    'The change is not parked, so it cannot be retried. Wait until it completes or parks.',
  already_closed: 'The change is `completed`; nothing was changed.',
};

/** The problem with which a change ended; null if there is none. */
export function changeProblemOf(change: Change): Problem | null {
  const { status } = change;
  if (status !== 'failed' && status !== 'cancelled') return null;
  const failure = publicChangeFailureOf(change);
  const ended = status === 'cancelled' ? 'registration_cancelled' : 'registration_failed';
  const code = (status === 'failed' && failure && codeOf(failure.code)) || ended;
  return new Problem(code, { detail: CHANGE_DETAILS[code] ?? failure?.detail ?? CHANGE_FAILED });
}

/** The failure as the public reads it. */
export function publicChangeFailureOf(change: Change): PublicFailure | null {
  const { failure, status } = change;
  if (!failure || !isFailureName(failure.cause)) return failure;
  const { kind, code } = FAILURES[failure.cause];
  if (kind !== 'definitive') return failure;
  const ended = failure.cause === 'change_cancelled' ? 'was cancelled' : 'failed';
  const detail = isOpenChange(status)
    ? `The change ${ended} and is being undone.`
    : (CHANGE_DETAILS[code] ?? failure.detail);
  return { ...failure, detail };
}
