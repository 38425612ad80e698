/** What ends a person's tokens: the end of every session, or a change of roles, which leaves sessions
 * alone. */
export type CutoffCause = 'sessions_ended' | 'roles_changed';

/** Since when the tokens of a person count. Times are in ms, by PostgreSQL's clock. */
export interface TokenCutoff {
  /** The Cognito sub. */
  readonly userId: string;
  /** A token counts if its session began later; null: no session was ended. */
  readonly sessionsEndedAt: number | null;
  /** A token counts if it was issued later; null: no roles were changed. */
  readonly rolesChangedAt: number | null;
  readonly changedAt: number;
}

/** By so much the clocks of Cognito and of PostgreSQL may differ. Within it a time is not compared:
 * Cognito is asked, which costs one call per token and process. */
export const CLOCK_SKEW_MS = 10_000;

/**
 * Compares a time of a token with a cutoff.
 * @param seconds by Cognito's clock, which a token states in whole seconds, rounded down
 * @returns `close`: the two clocks cannot tell which was first
 */
export function compareWithCutoff(
  seconds: number,
  cutoffMs: number | null,
): 'before' | 'after' | 'close' {
  if (cutoffMs === null) return 'after';
  const from = seconds * 1000 - CLOCK_SKEW_MS;
  const to = (seconds + 1) * 1000 + CLOCK_SKEW_MS;
  if (to <= cutoffMs) return 'before';
  return from >= cutoffMs ? 'after' : 'close';
}
