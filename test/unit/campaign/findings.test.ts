import { expect, test } from 'vitest';
import { findingsOf } from '../../campaign/findings.ts';
import type { Row, World } from '../../campaign/world.ts';

const row = (name: string, status: string): Row => ({
  id: `id of ${name}`,
  status,
  email: `${name}@example.com`,
  roles: ['viewer', 'manager'],
  userId: status === 'completed' ? `sub of ${name}` : null,
  cognitoUsername: status === 'completed' ? `username of ${name}` : null,
  sealedAt: null,
  door: 'canonical',
  userDeletedAt: null,
  isGone: false,
  wantsProfile: status === 'completed',
  profileId: status === 'completed' ? `profile of ${name}` : null,
  replacedBy: null,
});

const [ada, ben, eve] = [row('ada', 'completed'), row('ben', 'failed'), row('eve', 'cancelled')];
const user = {
  username: 'username of ada',
  sub: 'sub of ada',
  email: ada.email,
  mark: ada.id,
  roles: ['manager', 'viewer'],
  status: 'FORCE_CHANGE_PASSWORD',
  enabled: true,
  emailVerified: true,
};
const closing = (of: Row, event: string) => ({
  registrationId: of.id,
  event,
  userId: of.userId,
  changeId: null,
});
const told = { registrationId: ada.id, kind: 'user.created' };
const profile = {
  id: 'profile of ada',
  registrationId: ada.id,
  userId: 'sub of ada',
  email: ada.email,
};
const world = {
  rows: [ada, ben, eve],
  changes: [],
  profiles: [profile],
  users: [user],
  events: [told],
  proved: new Set<string>(),
  trail: [
    closing(ada, 'registration.requested'),
    closing(ada, 'user.registered'),
    closing(ben, 'registration.failed'),
    closing(eve, 'registration.cancelled'),
  ],
} satisfies World;

test('a pool, events and a trail that agree with the rows are no finding', () => {
  expect(findingsOf(world)).toEqual([]);
});

const disabled = {
  id: 'a change',
  registrationId: ada.id,
  kind: 'disable',
  status: 'completed',
  roles: [],
} as const;
const ofChange = (event: string) => ({ ...closing(ada, event), changeId: disabled.id });

const leftover = { ...user, sub: 'another', username: 'another' };

test.each<[string, Partial<World>, ReturnType<typeof findingsOf>[number]['kind'][]]>([
  [
    'an open row',
    { rows: [row('ada', 'running'), ben, eve] },
    ['still open', 'wrong event', 'wrong audit trail', 'profile left behind'],
  ],
  ['a completed row without a user', { users: [] }, ['no user']],
  ['two users with one mark', { users: [user, leftover] }, ['two users']],
  [
    'a user of a failed row',
    { users: [user, { ...leftover, mark: ben.id }] },
    ['user left behind'],
  ],
  [
    'a user of a cancelled row',
    { users: [user, { ...leftover, mark: eve.id }] },
    ['user left behind'],
  ],
  [
    'a user whose mark names no row',
    { users: [user, { ...leftover, mark: 'x' }] },
    ['user without a row'],
  ],
  ['a user without a mark', { users: [user, { ...leftover, mark: null }] }, ['user without a row']],
  ['a user who is left disabled', { users: [{ ...user, enabled: false }] }, ['disabled']],
  [
    'an account that is half replaced',
    { rows: [{ ...ada, replacedBy: 'another' }, ben, eve] },
    ['disabled'],
  ],
  [
    'a replaced account that is left',
    { rows: [{ ...ada, userDeletedAt: new Date(0) }, ben, eve] },
    ['user left behind', 'wrong event'],
  ],
  [
    'an account that is deleted after its address was proved',
    {
      rows: [{ ...ada, userDeletedAt: new Date(0) }, ben, eve],
      users: [],
      events: [{ ...told, kind: 'user.deleted' }],
      proved: new Set([ada.id]),
    },
    ['proved account deleted'],
  ],
  ['another sub', { users: [{ ...user, sub: 'another' }] }, ['other user than recorded']],
  ['another username', { users: [{ ...user, username: 'another' }] }, ['other user than recorded']],
  ['a role that is gone', { users: [{ ...user, roles: ['viewer'] }] }, ['wrong roles']],
  [
    'a role nobody granted',
    { users: [{ ...user, roles: ['admin', 'manager', 'viewer'] }] },
    ['wrong roles'],
  ],
  [
    'a password that is not set',
    { rows: [{ ...ada, sealedAt: new Date(0) }, ben, eve] },
    ['password not set'],
  ],
  ['no event', { events: [] }, ['wrong event']],
  ['two events', { events: [told, told] }, ['wrong event']],
  [
    'an event of a failed row',
    { events: [told, { ...told, registrationId: ben.id }] },
    ['wrong event'],
  ],
  [
    'a cancel that was accepted, of a row that completes',
    { trail: [closing(ada, 'registration.cancel_requested'), ...world.trail] },
    ['cancel ignored'],
  ],
  ['a closing event that is missing', { trail: world.trail.slice(0, 3) }, ['wrong audit trail']],
  [
    'a second closing event',
    { trail: [...world.trail, closing(ada, 'registration.failed')] },
    ['wrong audit trail'],
  ],
  [
    'a closing event of another user',
    { trail: world.trail.map((event) => ({ ...event, userId: 'another' })) },
    ['wrong audit trail'],
  ],
  [
    'a change that is not closed',
    { changes: [{ ...disabled, status: 'running' }] },
    ['still open'],
  ],
  [
    'an account that a completed change did not disable',
    { changes: [disabled] },
    ['disabled', 'wrong event', 'wrong audit trail'],
  ],
  [
    'a disabled account whose change was cancelled',
    {
      users: [{ ...user, enabled: false }],
      changes: [{ ...disabled, status: 'cancelled' }],
      trail: [...world.trail, ofChange('change.cancelled')],
    },
    ['disabled'],
  ],
  [
    'a cancel that was accepted, of a change that completes',
    {
      users: [{ ...user, enabled: false }],
      changes: [disabled],
      events: [told, { ...told, kind: 'user.disabled' }],
      trail: [...world.trail, ofChange('change.cancel_requested'), ofChange('user.disabled')],
    },
    ['cancel ignored'],
  ],
  [
    'roles of a change that the last one replaced',
    {
      changes: [
        { ...disabled, kind: 'roles', roles: ['viewer'] },
        { ...disabled, kind: 'roles', roles: [] },
      ],
      users: [{ ...user, roles: ['viewer'] }],
      events: [
        told,
        { ...told, kind: 'user.roles_changed' },
        { ...told, kind: 'user.roles_changed' },
      ],
      trail: [...world.trail, ofChange('user.roles_changed')],
    },
    ['wrong roles'],
  ],
  ['a completed registration without its profile', { profiles: [] }, ['no profile']],
  [
    'a profile that is not the recorded one',
    { profiles: [{ ...profile, id: 'another profile' }] },
    ['other profile than recorded'],
  ],
  [
    'a profile of a registration that failed',
    { profiles: [profile, { ...profile, registrationId: ben.id, userId: 'sub of ben' }] },
    ['profile left behind'],
  ],
  [
    'a profile of somebody who was deleted',
    { rows: [{ ...ada, isGone: true }, ben, eve] },
    ['profile left behind'],
  ],
  [
    'a second profile of a registration',
    { profiles: [profile, { ...profile, id: 'profile 2', userId: 'another sub' }] },
    ['two profiles'],
  ],
  [
    'a profile of a registration that nobody knows, of the same user',
    { profiles: [profile, { ...profile, registrationId: 'nobody' }] },
    ['profile without a row', 'two profiles'],
  ],
  [
    'somebody who is there after a deletion is complete',
    {
      changes: [{ ...disabled, kind: 'delete' }],
      events: [told, { ...told, kind: 'user.deleted' }],
      trail: [...world.trail, ofChange('user.deleted')],
    },
    ['not deleted'],
  ],
])('%s is found', (_, change, kinds) => {
  expect(findingsOf({ ...world, ...change }).map(({ kind }) => kind)).toEqual(kinds);
});
