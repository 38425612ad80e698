import type { Change } from './change.ts';
import { STEPS_OF_KIND } from './change-progress.ts';
import { WAITING, type StepRecord } from './step.ts';

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
 * knows its steps once it has read what the person has. */
export function changeStepsInOrder(
  { kind }: Pick<Change, 'kind'>,
  records: Readonly<Record<string, StepRecord>>,
): (StepRecord & { readonly name: string })[] {
  const planned = kind === 'roles' ? [] : STEPS_OF_KIND[kind];
  const names = [...new Set([...planned, ...Object.keys(records), 'complete'])];
  const placeOf = (name: string) => ORDER.findIndex((step) => name.startsWith(step));
  return names
    .toSorted((a, b) => placeOf(a) - placeOf(b))
    .map((name) => ({ name, ...(records[name] ?? WAITING) }));
}
