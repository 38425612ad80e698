import type { Registration } from './registration.ts';

/** No create starts this soon after one whose effect is open: two at once can both persist. */
export const AFTER_OPEN_CREATE_MS = 2000;
/** Credentials that Cognito refuses for so long are wrong: clock skew and a refresh heal sooner. */
export const CREDENTIALS_REFUSED_MS = 5000;

type Attempts = Pick<
  Registration,
  'createAttempt' | 'createAttemptedAt' | 'createOutcome' | 'createUnansweredAt'
>;

/** Whether the last create has no known effect: its reply is outstanding, was lost, or left it open. */
export function lastCreateIsOpen(row: Attempts): boolean {
  return row.createAttempt > 0 && (row.createOutcome === null || row.createOutcome === 'errored');
}

/** When the latest create was attempted whose effect may still come, in ms since the epoch; null: every
 * one was answered. Later answers do not close an earlier attempt, only its grace does. */
export function openCreateAt(row: Attempts): number | null {
  const last = lastCreateIsOpen(row) ? row.createAttemptedAt : null;
  const times = [last, row.createUnansweredAt].flatMap((at) => at?.getTime() ?? []);
  return times.length === 0 ? null : Math.max(...times);
}

/** Whether any create may have had an effect. Where none can, Cognito is not asked: expired
 * credentials must not turn every refusal into `cleanup_required`. */
export function mayHaveCreatedUser(row: Attempts): boolean {
  return row.createOutcome === 'created' || openCreateAt(row) !== null;
}
