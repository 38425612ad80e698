import type { Registration } from '../domain/registration.ts';
import { isFailureCode, Problem } from '../problem-details.ts';

/** The problem that a registration ended in, or is stuck with; null while there is none to tell. */
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

function bothFailures({ failure, compensationFailures, closesAs }: Registration): string {
  const cause =
    failure === null
      ? `The registration was to end ${closesAs ?? 'failed'}.`
      : `The registration failed with ${failure.code}: ${failure.detail}`;
  const stuck = compensationFailures.map(
    ({ step, code, detail }) => `${step} failed with ${code}: ${detail}`,
  );
  return ['Manual cleanup required.', cause, 'Taking it back:', ...stuck].join(' ');
}
