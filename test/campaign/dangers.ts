import type { Fault, Rule } from '../../dev/cognito/fault-plan.ts';
import type { Chance, Weighted } from './chance.ts';
import { LATEST_MS } from './faults.ts';
import type { Action } from './actions.ts';
import type { Decision } from './plan.ts';

/** What belongs together so that a late request can contradict what was decided meanwhile. Faults and
 * decisions that are drawn apart meet too seldom. */
export interface Danger {
  readonly roles: readonly string[];
  readonly faults: readonly Rule[];
  readonly actions: readonly Action[];
  readonly decisions: readonly Decision[];
}

type Make = (chance: Chance, email: string, roles: readonly string[]) => Danger;

/** A slow machine too has decided otherwise by then. */
const EARLIEST_MS = 6000;
const SERVER = { kind: 'server' } as const;
/** The first attempt and those of the retry budget: so many failures park a registration. */
const UNTIL_PARKED = 5;
const AFTER_RESUMED = 4;

const landsLate = (chance: Chance): Fault => ({
  kind: 'replyLost',
  effect: 'after',
  lateMs: chance.between(EARLIEST_MS, LATEST_MS),
});

const rule = (
  operation: string,
  email: string,
  times: number,
  fault: Fault,
  group?: string,
): Rule => ({ operation, match: { email, ...(group !== undefined && { group }) }, times, fault });

/** A create without a reply lands after a later one was made and taken back. */
const createAfterTakenBack: Make = (chance, email, roles) => {
  const cancelled = chance.holds(40);
  const missing = { kind: 'error', error: 'ResourceNotFoundException' } as const;
  return {
    roles: roles.slice(0, 1),
    faults: [
      rule('AdminCreateUser', email, 1, landsLate(chance)),
      // It fails for good, or is cancelled when it is parked.
      rule('AdminAddUserToGroup', email, cancelled ? 99 : 1, cancelled ? SERVER : missing),
    ],
    actions: [],
    decisions: [{ kind: 'cancel', through: 'api' }],
  };
};

/** An assignment without a reply lands after the role was replaced. */
const roleAfterReplaced: Make = (chance, email, roles) => {
  const [lost = '', ...others] = roles;
  return {
    roles: [lost],
    faults: [rule('AdminAddUserToGroup', email, 99, landsLate(chance), lost)],
    actions: [],
    decisions: [{ kind: 'roles', roles: others, through: 'api' }],
  };
};

/** A removal without a reply lands after the role was wanted again. */
const removalAfterWantedAgain: Make = (chance, email, roles) => {
  const [back = '', stuck = ''] = roles;
  return {
    roles: [back, stuck],
    faults: [
      rule('AdminAddUserToGroup', email, UNTIL_PARKED + AFTER_RESUMED, SERVER, stuck),
      rule('AdminRemoveUserFromGroup', email, 1, landsLate(chance)),
    ],
    actions: [],
    decisions: [
      { kind: 'roles', roles: [stuck], through: 'api' },
      { kind: 'roles', roles: [back, stuck], through: 'api' },
    ],
  };
};

const DANGERS: Weighted<Make | null> = [
  [70, null],
  [10, createAfterTakenBack],
  [10, roleAfterReplaced],
  [10, removalAfterWantedAgain],
];

/** @param roles all that there are, in an order that the seed has drawn */
export function dangerFor(chance: Chance, email: string, roles: readonly string[]): Danger | null {
  return chance.weighted(DANGERS)?.(chance, email, roles) ?? null;
}
