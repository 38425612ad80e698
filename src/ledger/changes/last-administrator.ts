import type { Transaction } from '../../db/client.ts';

export interface AdministratorsQuestion {
  /** The person whom a change takes it away from. */
  readonly userId: string;
  /** The groups with a `*` grant. */
  readonly administratorRoles: readonly string[];
  /** How long Cognito's answers may lag: PROPAGATION_GRACE_SECONDS. */
  readonly graceSeconds: number;
  /** The Cognito subs of all enabled members of these groups, read from Cognito now. */
  readonly enabledMembers: () => Promise<readonly string[]>;
}

/** One transaction at a time decides about administrators. Taken before any row is locked. */
export async function lockAdministrators(_tx: Transaction): Promise<void> {
  throw new Error('not written yet');
}

/**
 * Whether nobody is left who can grant every role once this person cannot: among the enabled members,
 * without the person, without those from whom an open change takes it away, and without those from whom
 * a change took it away that Cognito's answer may not show yet. Call it under `lockAdministrators`.
 */
export async function leavesNoAdministrator(
  _tx: Transaction,
  _question: AdministratorsQuestion,
): Promise<boolean> {
  throw new Error('not written yet');
}
