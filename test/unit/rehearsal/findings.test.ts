import { expect, test } from 'vitest';
import { findingsOf, type World } from '../../rehearsal/findings.ts';

const wanted = ['ada', 'ben'].map((name) => ({
  email: `${name}@example.com`,
  roles: ['viewer', 'manager'],
}));
const acceptedAt = new Date(0);
const world = {
  wanted,
  receipts: wanted.map(({ email }) => ({
    id: `id of ${email}`,
    status: 'completed',
    email,
    userId: `sub of ${email}`,
    acceptedAt,
    finishedAt: acceptedAt,
  })),
  users: [
    ...wanted.map(({ email }) => ({
      username: `sub of ${email}`,
      status: 'FORCE_CHANGE_PASSWORD',
      enabled: true,
      emailVerified: true,
      email,
      sub: `sub of ${email}`,
      mark: `id of ${email}`,
      roles: ['manager', 'viewer'],
    })),
    {
      username: 'admin',
      status: 'CONFIRMED',
      enabled: true,
      emailVerified: true,
      email: 'admin@example.com',
      sub: 'admin',
      mark: null,
      roles: ['admin'],
    },
  ],
  events: wanted.map(({ email }) => ({
    registrationId: `id of ${email}`,
    userId: `sub of ${email}`,
  })),
} satisfies World;

test('a rehearsal without faults has no finding', () => {
  expect(findingsOf(world)).toEqual([]);
});

const eve = {
  username: 'eve',
  status: 'CONFIRMED',
  enabled: true,
  emailVerified: true,
  email: 'eve@example.com',
  sub: 'eve',
  roles: [],
};

/** The world with something else in place of Ada's. */
function altered<K extends 'receipts' | 'users' | 'events'>(
  part: K,
  change: Partial<(typeof world)[K][number]>,
): World {
  const [first, ...rest] = world[part];
  return { ...world, [part]: [{ ...first, ...change }, ...rest] };
}

test.each<[string, World, RegExp]>([
  ['not completed', altered('receipts', { status: 'roles_pending' }), /roles_pending/],
  ['no registration', { ...world, receipts: world.receipts.slice(1) }, /0 registrations/],
  ['no user', { ...world, users: world.users.slice(1) }, /0 users/],
  ['two users', { ...world, users: [...world.users, ...world.users.slice(0, 1)] }, /2 users/],
  ['another mark', altered('users', { mark: 'another' }), /marked another/],
  ['another user', altered('users', { sub: 'another' }), /another user/],
  ['a role is missing', altered('users', { roles: ['viewer'] }), /has roles viewer/],
  ['a role too many', altered('users', { roles: ['admin', 'manager', 'viewer'] }), /has roles/],
  ['no event', { ...world, events: world.events.slice(1) }, /0 events/],
  ['two events', { ...world, events: [...world.events, ...world.events.slice(0, 1)] }, /2 events/],
  ['an event of somebody else', altered('events', { userId: 'another' }), /event names another/],
  [
    'a user nobody given',
    {
      ...world,
      users: [...world.users, { ...eve, mark: 'x' }],
    },
    /3 users for 2 instructions/,
  ],
])('%s', (_, changed, finding) => {
  expect(findingsOf(changed).join('\n')).toMatch(finding);
});
