import type { ChangeKind } from '../../src/domain/change.ts';
import { type About, finding } from './finding.ts';
import type { ChangeRow, Row, World } from './world.ts';

const COMPLETED: Readonly<Record<ChangeKind, string>> = {
  roles: 'user.roles_changed',
  disable: 'user.disabled',
  enable: 'user.enabled',
  sign_out: 'user.signed_out_everywhere',
  delete: 'user.deleted',
};
const CLOSING = [...Object.values(COMPLETED), 'change.failed', 'change.cancelled'];
const CANCEL = 'change.cancel_requested';

/** How the person of a registration has to be, by the changes that are complete, in their order. */
interface State {
  readonly roles: readonly string[];
  readonly isEnabled: boolean;
  readonly isDeleted: boolean;
  /** What others were told of it. */
  readonly events: readonly string[];
}

export function stateAfter(row: Row, world: World): State {
  const done = changesOf(row, world).filter(({ status }) => status === 'completed');
  const last = (...kinds: ChangeKind[]) => done.findLast(({ kind }) => kinds.includes(kind));
  return {
    roles: last('roles')?.roles ?? row.roles,
    isEnabled: last('disable', 'enable')?.kind !== 'disable',
    isDeleted: last('delete') !== undefined,
    events: done.flatMap(({ kind }) => (kind === 'sign_out' ? [] : [COMPLETED[kind]])),
  };
}

/** Each change of the person is closed once, as its row says, and no cancel that was accepted is lost. */
export const aboutChanges: About = (row, world) =>
  changesOf(row, world).flatMap((change) => {
    const trail = world.trail.filter(({ changeId }) => changeId === change.id);
    const closing = trail.map(({ event }) => event).filter((event) => CLOSING.includes(event));
    const what = `change ${change.id} (${change.kind}, ${change.status})`;
    if (endingOf(change) === null) return [finding(row, 'still open', what)];
    const findings =
      closing.join() === endingOf(change)
        ? []
        : [finding(row, 'wrong audit trail', `${what} closes with "${closing.join()}"`)];
    const isCancelled = trail.some(({ event }) => event === CANCEL);
    return isCancelled && change.status === 'completed'
      ? [...findings, finding(row, 'cancel ignored', `a cancel of ${what} was accepted`)]
      : findings;
  });

function endingOf({ kind, status }: ChangeRow): string | null {
  if (status === 'completed') return COMPLETED[kind];
  return status === 'failed' || status === 'cancelled' ? `change.${status}` : null;
}

function changesOf(row: Row, { changes }: World): ChangeRow[] {
  return changes.filter(({ registrationId }) => registrationId === row.id);
}
