import type { Rule } from '../../dev/cognito/fault-plan.ts';
import type { ChangeKind } from '../../src/domain/change.ts';
import { type Action, delay, ROLES, type Through, through } from './actions.ts';
import type { Chance, Weighted } from './chance.ts';
import { faultsForChanges } from './faults.ts';

/** A change of a person's account, and what is done to it or to the person's run. */
export interface PlannedChange {
  /** After the registration is complete. */
  readonly afterMs: number;
  readonly kind: ChangeKind;
  /** Of kind `roles`. */
  readonly roles: readonly string[];
  readonly through: Through;
  readonly actions: readonly Action[];
  /** What an operator does each time that it is parked; when they are spent, a retry. */
  readonly decisions: readonly ('retry' | 'cancel' | 'leave')[];
}

const KINDS: Weighted<ChangeKind> = [
  [55, 'roles'],
  [15, 'disable'],
  [12, 'enable'],
  [8, 'sign_out'],
  [10, 'delete'],
];

const ACTIONS: Weighted<Action['kind'] | null> = [
  [45, null],
  [25, 'cancel'],
  [10, 'cancelInUi'],
  [8, 'terminate'],
  [12, 'reset'],
];

/** Some persons are changed, mostly several times and at once, so that changes contradict and overtake
 * each other. */
export function changesFor(
  chance: Chance,
  email: string,
): { changes: PlannedChange[]; faults: Rule[] } {
  if (!chance.holds(60)) return { changes: [], faults: [] };
  const changes = Array.from({ length: chance.between(1, 5) }, (_, turn) => change(chance, turn));
  return { changes, faults: faultsForChanges(chance, email) };
}

function change(chance: Chance, turn: number): PlannedChange {
  const kind = chance.weighted(KINDS);
  return {
    afterMs: chance.weighted([
      [6, () => 0],
      [4, () => turn * chance.between(0, 2500)],
    ] as const)(),
    kind,
    roles: kind === 'roles' && chance.holds(90) ? chance.some(ROLES) : [],
    through: through(chance),
    actions: actions(chance),
    decisions: Array.from({ length: chance.between(0, 2) }, () =>
      chance.weighted([
        [4, 'retry'],
        [3, 'cancel'],
        [3, 'leave'],
      ] as const),
    ),
  };
}

function actions(chance: Chance): Action[] {
  const kind = chance.weighted(ACTIONS);
  const afterMs = delay(chance);
  switch (kind) {
    case null:
      return [];
    case 'cancel':
      return [{ afterMs, kind, through: through(chance) }];
    case 'reset':
      return [{ afterMs, kind, point: chance.between(0, 99) }];
    case 'cancelInUi':
    case 'terminate':
      return [{ afterMs, kind }];
  }
}
