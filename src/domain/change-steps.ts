import type { Change } from './change.ts';
import { WAITING, type StepRecord } from './step.ts';

type Planned = Pick<Change, 'kind' | 'roles' | 'rolesBefore'>;

/** The order of the steps of every kind of change; roles are added before any is removed. */
const ORDER = [
  'assignRole:',
  'removeRole:',
  'disableUser',
  'enableUser',
  'signOut',
  'deleteUser',
  'complete',
] as const;

/** The steps of a change in the order they run, from what the row remembers of each. A change of roles
 * shows the roles to write once it has read what the person has. */
export function changeStepsInOrder(
  change: Planned,
  records: Readonly<Record<string, StepRecord>>,
): (StepRecord & { readonly name: string })[] {
  const names = [...new Set([...plannedSteps(change), ...Object.keys(records)])];
  const placeOf = (name: string) => ORDER.findIndex((step) => name.startsWith(step));
  return names
    .toSorted((a, b) => placeOf(a) - placeOf(b))
    .map((name) => ({ name, ...(records[name] ?? WAITING) }));
}

function plannedSteps({ kind, roles, rolesBefore }: Planned): string[] {
  switch (kind) {
    case 'roles': {
      const before = rolesBefore ?? roles;
      const added = roles.filter((role) => !before.includes(role));
      const removed = before.filter((role) => !roles.includes(role));
      return [
        ...added.map((role) => `assignRole:${role}`),
        ...removed.map((role) => `removeRole:${role}`),
        'complete',
      ];
    }
    case 'disable':
      return ['disableUser', 'signOut', 'complete'];
    case 'enable':
      return ['enableUser', 'complete'];
    case 'sign_out':
      return ['signOut', 'complete'];
    case 'delete':
      return ['disableUser', 'signOut', 'deleteUser', 'complete'];
    default:
      return kind satisfies never;
  }
}
