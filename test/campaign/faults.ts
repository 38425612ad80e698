import type { Fault, Rule } from '../../dev/cognito/fault-plan.ts';
import { type Chance, type Weighted } from './chance.ts';

/** The grace of the deployment. What is late lands well before it is over: later than that nobody
 * has to expect it. */
export const GRACE_SECONDS = 12;
const EARLIEST_MS = 2500;
export const LATEST_MS = (GRACE_SECONDS - 2) * 1000;
/** Below the two seconds that have to lie between two creates of one registration. */
const DUPLICATE_MS = 1500;

type Draw = (chance: Chance) => { readonly fault: Fault; readonly times: number } | null;

const none: Draw = () => null;
const times =
  (fault: Fault, low: number, high: number): Draw =>
  (chance) => ({ fault, times: chance.between(low, high) });
/** The request takes effect after its caller has gone on. */
const landsLate =
  (low: number, high: number): Draw =>
  (chance) => ({
    fault: {
      kind: 'replyLost',
      effect: 'after',
      lateMs: chance.between(EARLIEST_MS, LATEST_MS),
      cutAfterMs: chance.weighted([
        [3, 0],
        [1, 500],
      ]),
    },
    times: chance.between(low, high),
  });

const SERVER = { kind: 'server' } as const;
const THROTTLE = { kind: 'throttle' } as const;
const LOST_BEFORE = { kind: 'replyLost', effect: 'before' } as const;
const LOST_AFTER = { kind: 'replyLost', effect: 'after' } as const;
const REFUSED = { kind: 'refused' } as const;
const GROUP_MISSING = { kind: 'error', error: 'ResourceNotFoundException' } as const;

const CREATE: Weighted<Draw> = [
  [34, none],
  [20, landsLate(1, 2)],
  [5, times(LOST_BEFORE, 1, 2)],
  [6, times(LOST_AFTER, 1, 1)],
  [7, times(SERVER, 1, 3)],
  [10, (chance) => ({ fault: { ...SERVER, lateMs: chance.between(300, LATEST_MS) }, times: 1 })],
  [6, times(THROTTLE, 1, 3)],
  [12, (chance) => ({ fault: { kind: 'lag', ms: chance.between(300, 3000) }, times: 1 })],
];

const ADD: Weighted<Draw> = [
  [20, none],
  [8, landsLate(1, 3)],
  // Six attempts park a registration, whose operator then goes on at once.
  [20, landsLate(6, 12)],
  [28, times(SERVER, 6, 24)],
  [4, times(THROTTLE, 1, 4)],
  [5, times(LOST_AFTER, 1, 3)],
  [11, times(GROUP_MISSING, 1, 1)],
  [4, times(REFUSED, 1, 2)],
];

const REMOVE: Weighted<Draw> = [
  [35, none],
  [55, landsLate(1, 2)],
  [10, times(SERVER, 1, 2)],
];

const DELETE: Weighted<Draw> = [
  [60, none],
  [15, landsLate(1, 2)],
  [10, times(LOST_AFTER, 1, 1)],
  [15, times(SERVER, 1, 6)],
];

const DISABLE: Weighted<Draw> = [
  [60, none],
  [20, landsLate(1, 1)],
  [10, times(LOST_AFTER, 1, 1)],
  [10, times(SERVER, 1, 3)],
];

const SET_PASSWORD: Weighted<Draw> = [
  [70, none],
  [15, landsLate(1, 2)],
  [15, times(SERVER, 1, 2)],
];

const READ: Weighted<Draw> = [
  [75, none],
  [8, times(SERVER, 1, 2)],
  [17, (chance) => ({ fault: { kind: 'latency', ms: chance.between(200, 900) }, times: 8 })],
];

// Of a registration whose run is reset again and again: its creates fail at first, and reads and
// creates are slow, so that the run before the reset is still at the step that the next one begins.
const SLOWLY: Weighted<Draw> = [
  [1, (chance) => ({ fault: { kind: 'latency', ms: chance.between(400, 900) }, times: 20 })],
];
const CREATE_OF_RESET: Weighted<Draw> = [[1, times(SERVER, 2, 3)]];

/** Two creates of one address that come at once both persist. */
export const duplicateOf = (email: string): Rule => ({
  operation: 'AdminCreateUser',
  match: { email },
  fault: { kind: 'duplicate', ms: DUPLICATE_MS },
});

export interface FaultsOf {
  readonly email: string;
  readonly roles: readonly string[];
  /** Runs of it are to be at one step at the same time. */
  readonly resets: boolean;
}

/** What Cognito does to the calls about one address. */
export function faultsFor(chance: Chance, { email, roles, resets }: FaultsOf): Rule[] {
  const rule = (operation: string, table: Weighted<Draw>, group?: string): Rule[] => {
    const drawn = chance.weighted(table)(chance);
    if (drawn === null) return [];
    return [{ operation, match: { email, ...(group !== undefined && { group }) }, ...drawn }];
  };
  return [
    duplicateOf(email),
    ...(resets ? rule('AdminCreateUser', SLOWLY) : []),
    ...rule('AdminCreateUser', resets ? CREATE_OF_RESET : CREATE),
    // Of one role, or of whichever is asked for.
    ...rule('AdminAddUserToGroup', ADD, chance.holds(60) ? roles[0] : undefined),
    ...rule('AdminRemoveUserFromGroup', REMOVE),
    ...rule('AdminDeleteUser', DELETE),
    // Of an unverified sign-up that is replaced.
    ...rule('AdminDisableUser', DISABLE),
    ...rule('AdminEnableUser', DISABLE),
    ...rule('AdminSetUserPassword', SET_PASSWORD),
    ...rule('AdminGetUser', resets ? SLOWLY : READ),
  ];
}

const GROUPS_OF_CHANGE: Weighted<Draw> = [
  [35, none],
  [30, landsLate(1, 3)],
  [15, times(SERVER, 6, 10)],
  [10, times(LOST_AFTER, 1, 2)],
  [6, times(GROUP_MISSING, 1, 1)],
  [4, times(THROTTLE, 1, 3)],
];

/** The same for later changes of the person; they meet what the registration has left of the others too. */
export function faultsForChanges(chance: Chance, email: string): Rule[] {
  const rule = (operation: string, table: Weighted<Draw>): Rule[] => {
    const drawn = chance.weighted(table)(chance);
    return drawn === null ? [] : [{ operation, match: { email }, ...drawn }];
  };
  return [
    ...rule('AdminAddUserToGroup', GROUPS_OF_CHANGE),
    ...rule('AdminRemoveUserFromGroup', GROUPS_OF_CHANGE),
    ...rule('AdminListGroupsForUser', READ),
    ...rule('AdminDisableUser', DISABLE),
    ...rule('AdminEnableUser', DISABLE),
    ...rule('AdminUserGlobalSignOut', DISABLE),
    ...rule('AdminDeleteUser', DELETE),
  ];
}
