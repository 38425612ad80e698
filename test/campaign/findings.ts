import type { PoolUser } from '../rehearsal/pool-users.ts';
import { type About, type Finding, finding } from './finding.ts';
import { aboutChanges, stateAfter } from './change-findings.ts';
import { aboutAllProfiles, aboutProfile } from './profile-findings.ts';
import type { Row, World } from './world.ts';

const CLOSING = ['user.registered', 'registration.failed', 'registration.cancelled'];
const CLOSED_BY: Readonly<Record<string, string>> = {
  completed: 'user.registered',
  failed: 'registration.failed',
  cancelled: 'registration.cancelled',
};

/** Where users, groups, events and audit trail do not agree with the rows. */
export function findingsOf(world: World): Finding[] {
  const known = new Set(world.rows.map(({ id }) => id));
  const strangers = world.users.filter(({ mark }) => mark === null || !known.has(mark));
  return [
    ...world.rows.flatMap((row) => [
      ...aboutUser(row, world),
      ...aboutEvents(row, world),
      ...aboutTrail(row, world),
      ...aboutChanges(row, world),
      ...aboutProfile(row, world),
    ]),
    ...aboutAllProfiles(world),
    ...strangers.map(({ sub, mark }) => ({
      kind: 'user without a row' as const,
      text: `user ${sub} with mark ${mark}`,
      registrationId: null,
    })),
  ];
}

const aboutUser: About = (row, world) => {
  const mine = world.users.filter(({ mark }) => mark === row.id);
  if (CLOSED_BY[row.status] === undefined) return [finding(row, 'still open', 'not closed')];
  if (row.status !== 'completed') {
    return mine.map(({ sub }) => finding(row, 'user left behind', `user ${sub} has its mark`));
  }
  const { isDeleted } = stateAfter(row, world);
  if (isDeleted && row.userDeletedAt === null) {
    return [finding(row, 'not deleted', 'a deletion is complete')];
  }
  if (row.userDeletedAt !== null) {
    if (world.proved.has(row.id)) {
      return [finding(row, 'proved account deleted', 'its address was proved before')];
    }
    return mine.map(({ sub }) =>
      finding(row, 'user left behind', `user ${sub} was replaced or deleted`),
    );
  }
  // Replaced, or as it was: nothing in between.
  if (row.replacedBy !== null) return [finding(row, 'disabled', `replaced by ${row.replacedBy}`)];
  const [user, ...more] = mine;
  if (user === undefined) return [finding(row, 'no user', 'nobody has its mark')];
  if (more.length > 0) return [finding(row, 'two users', `${mine.length} users have its mark`)];
  return aboutOnlyUser(row, user, world);
};

function aboutOnlyUser(row: Row, user: PoolUser, world: World): Finding[] {
  const findings: Finding[] = [];
  const { roles, isEnabled } = stateAfter(row, world);
  if (user.enabled !== isEnabled) {
    const [is, should] = [user.enabled, isEnabled].map((on) => (on ? 'enabled' : 'disabled'));
    findings.push(finding(row, 'disabled', `the user is ${is}, not ${should}`));
  }
  if (user.sub !== row.userId || user.username !== row.cognitoUsername) {
    const recorded = `${row.userId} as ${row.cognitoUsername}`;
    findings.push(
      finding(row, 'other user than recorded', `${user.sub} as ${user.username}, not ${recorded}`),
    );
  }
  const [has, wants] = [user.roles, roles].map((names) => names.toSorted().join());
  if (has !== wants) findings.push(finding(row, 'wrong roles', `has ${has}, not ${wants}`));
  if (row.sealedAt !== null && user.status !== 'CONFIRMED') {
    findings.push(finding(row, 'password not set', `the user is ${user.status}`));
  }
  return findings;
}

const aboutEvents: About = (row, world) => {
  const told = world.events.filter((event) => event.registrationId === row.id);
  const kinds = told.map(({ kind }) => kind).toSorted();
  // A sign-up of the campaign was not made by a run, which would have told of it.
  const created = row.status === 'completed' && row.door !== 'signup' ? ['user.created'] : [];
  const expected = [...created, ...stateAfter(row, world).events].toSorted();
  if (row.userDeletedAt !== null && row.status === 'completed') {
    // What was not told by then is not told any more.
    const deleted = kinds.filter((kind) => kind === 'user.deleted').length;
    return deleted === 1 ? [] : [finding(row, 'wrong event', `${deleted} tell of its deletion`)];
  }
  return kinds.join() === expected.join()
    ? []
    : [finding(row, 'wrong event', `the outbox has "${kinds.join()}", not "${expected.join()}"`)];
};

/** An accepted cancel stands: nothing puts it off. */
const CANCEL = 'registration.cancel_requested';

const aboutTrail: About = (row, world) => {
  if (row.door === 'signup') return [];
  const closing = world.trail.filter(
    ({ registrationId, event, changeId }) =>
      registrationId === row.id && changeId === null && CLOSING.includes(event),
  );
  const events = closing.map(({ event }) => event).join();
  const findings: Finding[] = [];
  const isCancelled = world.trail.some(
    ({ registrationId, event }) => registrationId === row.id && event === CANCEL,
  );
  if (isCancelled && row.status === 'completed') {
    findings.push(finding(row, 'cancel ignored', 'a cancel was accepted'));
  }
  if (events !== (CLOSED_BY[row.status] ?? '')) {
    findings.push(finding(row, 'wrong audit trail', `it closes with "${events}"`));
  } else if (row.status === 'completed' && closing[0]?.userId !== row.userId) {
    findings.push(finding(row, 'wrong audit trail', `it names user ${closing[0]?.userId}`));
  }
  return findings;
};
