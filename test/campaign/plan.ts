import type { Rule } from '../../dev/cognito/fault-plan.ts';
import { type Action, delay, ROLES, type Through, through } from './actions.ts';
import { type PlannedChange, changesFor } from './change-plan.ts';
import { type Chance, chanceOf, type Weighted } from './chance.ts';
import { dangerFor } from './dangers.ts';
import { duplicateOf, faultsFor } from './faults.ts';
import { type ProfilePlan, profilesFor } from './profile-plan.ts';

/** What the operator does when a registration is parked. */
export type Decision =
  | { readonly kind: 'retry' | 'cancel'; readonly through: Through }
  | { readonly kind: 'roles'; readonly roles: readonly string[]; readonly through: Through }
  | { readonly kind: 'leave' };

export interface PlannedRegistration {
  readonly atMs: number;
  readonly email: string;
  readonly roles: readonly string[];
  readonly password: boolean;
  readonly through: Through;
  readonly faults: readonly Rule[];
  readonly actions: readonly Action[];
  /** In order; when they are spent, a retry. */
  readonly decisions: readonly Decision[];
  /** Somebody signed up with the address before and never proved it, and this registration replaces
   * them; null: nobody did. */
  readonly squatter: Squatter | null;
  /** The same address is registered again so long after the first time; null: it is not. */
  readonly againAfterMs: number | null;
  /** What is done to the person once the registration is complete. */
  readonly changes: readonly PlannedChange[];
}

/** A sign-up that is to be replaced. */
export interface Squatter {
  /** When the address is proved after all, if that is possible by then; null: never. */
  readonly provesAfterMs: number | null;
}

export interface Disturbance {
  readonly atMs: number;
  readonly kind: 'killWorker' | 'stopWorker' | 'killApi' | 'cutConnections';
}

/** Everything that a seed decides. */
export interface Plan {
  readonly seed: number;
  readonly foreign: readonly ForeignUser[];
  readonly registrations: readonly PlannedRegistration[];
  readonly disturbances: readonly Disturbance[];
  /** null: no profile service is configured. */
  readonly profiles: ProfilePlan | null;
}

/** Somebody who is in the pool before Registrar is, and none of its business. */
export interface ForeignUser {
  readonly email: string;
  readonly mark?: string;
  readonly role?: string;
}

const MS_FOR_EACH = 500;
/** Registrations come in bursts, so that they queue for the quota of creates. */
const BURST_MS = 2000;
/** How many registrations there are for one that only later changes disturb. */
const FOR_EACH_CHANGED = 2;
/** How many registrations there are for one that asks for a foreign user's address. */
const FOR_EACH_FOREIGN = 20;

export function planOf(seed: number, registrations: number): Plan {
  const chance = chanceOf(seed);
  const spanMs = registrations * MS_FOR_EACH;
  const foreign = foreignUsers(chance, seed);
  const planned = Array.from({ length: registrations }, (_, index) => {
    const taken = index % FOR_EACH_FOREIGN === FOR_EACH_FOREIGN - 1;
    const email = taken
      ? chance.weighted(foreign.map((user) => [1, user.email] as const))
      : `person-${index}@seed-${seed}.example.com`;
    const drawn = registration(chance, email, spanMs);
    // A foreign user may have been made a moment before: that is no create of Registrar's.
    return taken ? { ...drawn, faults: drawn.faults.filter(isNoDuplicate) } : drawn;
  });
  const disturbed = disturbances(chance, spanMs);
  const strangers = new Set(foreign.map(({ email }) => email));
  // Drawn last, so that a seed decides everything else as before.
  const all = [
    ...planned
      .map((one) => (strangers.has(one.email) ? one : { ...one, squatter: squatter(chance) }))
      .map((one) => withChanges(chance, one)),
    ...Array.from({ length: Math.ceil(registrations / FOR_EACH_CHANGED) }, (_, index) =>
      withChanges(
        chance,
        registeredAtOnce(chance, `changed-${index}@seed-${seed}.example.com`, spanMs),
      ),
    ),
  ];
  const profiles = profilesFor(
    chance,
    all.map(({ email }) => email),
    spanMs,
  );
  return { seed, foreign, disturbances: disturbed, registrations: all, profiles };
}

/** Somebody whose registration nothing disturbs, so that changes begin at once. */
function registeredAtOnce(chance: Chance, email: string, spanMs: number): PlannedRegistration {
  return {
    atMs: chance.between(0, spanMs),
    email,
    roles: chance.some(ROLES),
    password: false,
    through: 'api',
    faults: [],
    actions: [],
    decisions: [],
    squatter: null,
    againAfterMs: null,
    changes: [],
  };
}

function registration(chance: Chance, email: string, spanMs: number): PlannedRegistration {
  const drawn = drawnRegistration(chance, email, spanMs);
  const danger = dangerFor(chance, email, chance.shuffled(ROLES));
  if (danger === null) return drawn;
  const faults = [duplicateOf(email), ...danger.faults];
  return { ...drawn, ...danger, faults, through: 'api' };
}

const isNoDuplicate = ({ fault }: Rule): boolean => fault.kind !== 'duplicate';

function drawnRegistration(chance: Chance, email: string, spanMs: number): PlannedRegistration {
  const roles = chance.some(ROLES);
  const password = chance.holds(25);
  const planned = actions(chance);
  const resets = planned.filter(({ kind }) => kind === 'reset').length > 1;
  return {
    atMs: chance.between(0, Math.floor(spanMs / BURST_MS)) * BURST_MS + chance.between(0, 300),
    email,
    roles,
    password,
    through: through(chance),
    faults: faultsFor(chance, { email, roles, resets }),
    actions: planned,
    decisions: decisions(chance, roles),
    squatter: null,
    againAfterMs: chance.holds(15) ? chance.between(2000, 12_000) : null,
    changes: [],
  };
}

function withChanges(chance: Chance, planned: PlannedRegistration): PlannedRegistration {
  const { changes, faults } = changesFor(chance, planned.email);
  return { ...planned, changes, faults: [...planned.faults, ...faults] };
}

function squatter(chance: Chance): Squatter | null {
  if (!chance.holds(20)) return null;
  const provesAfterMs = chance.weighted<() => number | null>([
    [4, () => null],
    // While the account is read, disabled and read again.
    [4, () => chance.between(0, 100)],
    [2, () => chance.between(0, 3000)],
  ])();
  return { provesAfterMs };
}

const ACTIONS: Weighted<Action['kind'] | 'resets' | null> = [
  [44, null],
  [20, 'reset'],
  [12, 'resets'],
  [12, 'cancel'],
  [8, 'cancelInUi'],
  [4, 'terminate'],
];

function actions(chance: Chance): Action[] {
  const kind = chance.weighted(ACTIONS);
  switch (kind) {
    case null:
      return [];
    case 'cancel':
      return [{ afterMs: delay(chance), kind, through: through(chance) }];
    case 'cancelInUi':
    case 'terminate':
      return [{ afterMs: delay(chance), kind }];
    case 'reset':
      return [reset(chance, delay(chance))];
    // One after the other, so that two runs of one registration are at the same step.
    case 'resets': {
      const first = chance.between(0, 1000);
      return Array.from({ length: chance.between(2, 5) }, (_, turn) =>
        reset(chance, first + turn * chance.between(200, 700)),
      );
    }
  }
}

const reset = (chance: Chance, afterMs: number): Action => ({
  afterMs,
  kind: 'reset',
  point: chance.between(0, 99),
});

/** Other roles often, and often the first ones again: what was taken away is wanted back. */
function decisions(chance: Chance, roles: readonly string[]): Decision[] {
  return Array.from({ length: chance.between(2, 4) }, (_, turn): Decision => {
    const kind = chance.weighted([
      [60, 'roles'],
      [18, 'retry'],
      [10, 'cancel'],
      [12, 'leave'],
    ] as const);
    if (kind === 'leave') return { kind };
    if (kind !== 'roles') return { kind, through: through(chance) };
    const without = ROLES.filter((role) => role !== roles[0]);
    const wanted = chance.weighted<readonly string[]>([
      [turn > 0 ? 6 : 0, roles],
      [3, chance.some(without)],
      [1, chance.some(ROLES)],
    ]);
    return { kind, roles: wanted, through: through(chance) };
  });
}

function foreignUsers(chance: Chance, seed: number): ForeignUser[] {
  const hex = (length: number): string =>
    Array.from({ length }, () => chance.between(0, 15).toString(16)).join('');
  const anotherLedgers = `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
  const domain = `seed-${seed}.example.com`;
  return [
    { email: `stranger@${domain}`, role: 'viewer' },
    { email: `colleague@${domain}`, mark: anotherLedgers, role: 'manager' },
    { email: `import@${domain}`, mark: 'imported' },
  ];
}

function disturbances(chance: Chance, spanMs: number): Disturbance[] {
  const found: Disturbance[] = [];
  let atMs = chance.between(2000, 5000);
  while (atMs < spanMs + 5000) {
    const kind = chance.weighted([
      [4, 'cutConnections'],
      [3, 'killWorker'],
      [1, 'stopWorker'],
      [1, 'killApi'],
    ] as const);
    found.push({ atMs, kind });
    atMs += chance.between(3000, 7000);
  }
  return found;
}
