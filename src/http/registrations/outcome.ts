import { failureOfCode, FAILURES, type FailureCode } from '../../domain/failure.ts';
import type { PublicFailure, Registration } from '../../domain/registration.ts';
import { isCompensating } from '../../domain/status.ts';
import { isFailureCode, Problem } from '../problems/problem-details.ts';
import { isCompensation } from '../../domain/step.ts';

/** What a caller's request for a registration may be refused with, or end with. */
export const REQUEST_PROBLEMS: readonly FailureCode[] = [
  'forbidden',
  'role_not_grantable',
  'unknown_role',
  'email_taken',
  'email_unverified',
  'username_taken',
  'idempotency_key_reused',
  'registration_failed',
  'registration_rejected',
  'profile_rejected',
  'registration_cancelled',
  'manual_cleanup_required',
  'identity_provider_refused',
  'user_vanished',
  'terminated',
];

/** The problem with which a registration ended or cannot continue; null if there is none. */
export function problemOf(row: Registration): Problem | null {
  const registrationId = row.id;
  if (row.status === 'cancelled') return new Problem('registration_cancelled', { registrationId });
  if (row.status === 'cleanup_required') {
    return new Problem('manual_cleanup_required', { registrationId, detail: bothFailures(row) });
  }
  if (row.status !== 'failed') return null;
  if (!row.failure || !isFailureCode(row.failure.code)) {
    return new Problem('registration_failed', { registrationId });
  }
  return new Problem(row.failure.code, { registrationId, detail: row.failure.detail });
}

/** The failure as the public reads it. The text in the row says that everything was undone, so it is
 * replaced until that is true. */
export function publicFailureOf({ status, failure }: Registration): PublicFailure | null {
  if (!failure || !isCompensating(status)) return failure;
  const title = failureOfCode(failure.code)?.title ?? FAILURES.rejected.title;
  return { ...failure, detail: `${title}. The registration is not undone yet.` };
}

function bothFailures({ failure, compensationFailures, closesAs, steps }: Registration): string {
  const failed = Object.entries(steps)
    .filter(([name, { status }]) => status === 'failed' && !isCompensation(name))
    .map(([name]) => name);
  const where = failed.length === 0 ? '' : ` at ${failed.join(', ')}`;
  const cause =
    failure === null || closesAs === 'cancelled'
      ? `The registration ${closesAs === 'cancelled' ? 'was cancelled' : 'failed'}.`
      : `The registration failed with ${failure.code}${where}.`;
  const stuck = compensationFailures.map(
    ({ step, code, detail }) => `${step} failed with ${code}: ${detail}`,
  );
  return ['Manual cleanup required.', cause, 'Compensation failures:', ...stuck].join(' ');
}
