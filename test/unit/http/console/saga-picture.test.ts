import { describe, expect, test } from 'vitest';
import { sagaPicture } from '../../../../src/http/console/saga-picture.ts';
import { shownSaga, type Saga } from '../../../../src/http/console/saga-steps.ts';

type Status = Saga['steps'][number]['status'];

const step = (name: string, status: Status, attempts = 1) => ({
  name,
  status,
  attempts,
  lastError: null,
  nextRetryAt: null,
});

const statesOf = (saga: Saga) => {
  const { forward, undo } = shownSaga(saga);
  const steps = [...forward.flatMap((stage) => stage.steps), ...undo];
  return Object.fromEntries(steps.map(({ name, state }) => [name, state]));
};

const draw = (saga: Saga) => String(sagaPicture(saga));
const listOf = (html: string) => [...html.matchAll(/<li>([^<]*)<\/li>/g)].map(([, text]) => text);
/** Width and height of each drawing. */
const sizesOf = (html: string) =>
  [...html.matchAll(/<svg class="([^"]+)" viewBox="0 0 (\S+) (\S+)"/g)].map(
    ([, kind, width, height]) => ({ kind, width: Number(width), height: Number(height) }),
  );

describe('states of the steps', () => {
  test.for<{ readonly title: string; readonly saga: Saga; readonly states: object }>([
    {
      title: 'the first step of an accepted registration is next',
      saga: {
        status: 'accepted',
        steps: [
          step('createUser', 'waiting', 0),
          step('assignRole:viewer', 'waiting', 0),
          step('complete', 'waiting', 0),
        ],
      },
      states: { createUser: 'next', 'assignRole:viewer': 'waiting', complete: 'waiting' },
    },
    {
      title: 'all roles are next at once, since they are assigned at once',
      saga: {
        status: 'running',
        steps: [
          step('createUser', 'done'),
          step('assignRole:a', 'waiting', 0),
          step('assignRole:b', 'waiting', 0),
          step('complete', 'waiting', 0),
        ],
      },
      states: {
        createUser: 'done',
        'assignRole:a': 'next',
        'assignRole:b': 'next',
        complete: 'waiting',
      },
    },
    {
      title: 'nothing is next while a step runs or fails',
      saga: {
        status: 'running',
        steps: [
          step('createUser', 'done'),
          step('setPassword', 'retrying', 3),
          step('createProfile', 'waiting', 0),
          step('complete', 'waiting', 0),
        ],
      },
      states: {
        createUser: 'done',
        setPassword: 'failing',
        createProfile: 'waiting',
        complete: 'waiting',
      },
    },
    {
      title: 'a step of a parked registration is failing, since it is tried again',
      saga: {
        status: 'roles_pending',
        steps: [
          step('createUser', 'done'),
          step('assignRole:viewer', 'failed', 9),
          step('complete', 'waiting', 0),
        ],
      },
      states: { createUser: 'done', 'assignRole:viewer': 'failing', complete: 'waiting' },
    },
    {
      title: 'an undo that fails is failing while it goes on, and what was undone is put back',
      saga: {
        status: 'cleanup_required',
        steps: [
          step('createUser', 'done'),
          step('createProfile', 'compensated'),
          step('assignRole:viewer', 'failed'),
          step('complete', 'waiting', 0),
          step('deleteProfile', 'done'),
          step('deleteUser', 'failed', 7),
        ],
      },
      states: {
        createUser: 'done',
        createProfile: 'put back',
        'assignRole:viewer': 'failed',
        complete: 'not run',
        deleteProfile: 'done',
        deleteUser: 'failing',
      },
    },
    {
      title: 'a failed registration ran no further',
      saga: {
        status: 'failed',
        steps: [
          step('createUser', 'compensated'),
          step('assignRole:viewer', 'failed'),
          step('complete', 'waiting', 0),
          step('deleteUser', 'done'),
        ],
      },
      states: {
        createUser: 'put back',
        'assignRole:viewer': 'failed',
        complete: 'not run',
        deleteUser: 'done',
      },
    },
  ])('$title', ({ saga, states }) => {
    expect(statesOf(saga)).toEqual(states);
  });

  test('the deletion of a person is the way forward of a change, not an undo', () => {
    const steps = [
      step('disableUser', 'done'),
      step('signOut', 'running'),
      step('deleteUser', 'waiting', 0),
      step('complete', 'waiting', 0),
    ];
    const { forward, undo } = shownSaga({ kind: 'delete', status: 'running', steps });
    expect(forward.flatMap((stage) => stage.steps.map(({ label }) => label))).toEqual([
      'Disable user',
      'Sign out',
      'Delete user',
      'Complete',
    ]);
    expect(undo).toEqual([]);
  });
});

const ROLES: Saga = {
  status: 'running',
  steps: [
    step('createUser', 'done'),
    ...Array.from({ length: 20 }, (_, place) =>
      step(`assignRole:role-${place}`, place === 0 ? 'retrying' : 'waiting', place === 0 ? 4 : 0),
    ),
    step('complete', 'waiting', 0),
  ],
};

test('the picture is also a list, with each step and its state', () => {
  const html = draw(ROLES);
  expect(listOf(html)).toEqual([
    'Create user: done',
    'Assign role role-0: failing, 4 attempts',
    ...Array.from({ length: 19 }, (_, place) => `Assign role role-${place + 1}: waiting`),
    'Complete: waiting',
  ]);
  expect(html).toContain('1 of 22 steps done. Failing: Assign role role-0.');
  expect(html.match(/<svg [^>]*aria-hidden="true"/g)).toHaveLength(2);
});

test('twenty roles fit a page in the picture across, and 320 pixels in the one downwards', () => {
  const [across, down] = sizesOf(draw(ROLES));
  expect(across?.kind).toBe('across long');
  expect(across?.width).toBeLessThan(1130);
  expect(across?.height).toBeLessThan(600);
  expect(down?.kind).toBe('down');
  expect(down?.width).toBeLessThanOrEqual(288);
});

test('a saga too wide for a page is drawn downwards only', () => {
  const roles = Array.from({ length: 12 }, (_, place) => place);
  const wide: Saga = {
    status: 'running',
    steps: [
      ...['createUser', 'setPassword', 'createProfile'].map((name) => step(name, 'done')),
      ...roles.map((place) => step(`removeRole:${place}`, 'waiting', 0)),
      ...roles.map((place) => step(`assignRole:${place}`, 'waiting', 0)),
      step('complete', 'waiting', 0),
    ],
  };
  expect(sizesOf(draw(wide)).map(({ kind }) => kind)).toEqual(['down']);
});

test('boxes never overlap and stay inside of the drawing', () => {
  for (const saga of [ROLES, undone()]) {
    for (const svg of draw(saga).match(/<svg .*?<\/svg>/gs) ?? []) {
      const [, width, height] = /viewBox="0 0 (\S+) (\S+)"/.exec(svg) ?? [];
      const boxes = [
        ...svg.matchAll(
          /<rect class="box [^"]+" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"/g,
        ),
      ].map((found) => found.slice(1).map(Number) as [number, number, number, number]);
      expect(boxes).toHaveLength(saga.steps.length);
      for (const [place, [x, y, w, h]] of boxes.entries()) {
        expect(x + w).toBeLessThanOrEqual(Number(width));
        expect(y + h).toBeLessThanOrEqual(Number(height));
        const isFree = ([x2, y2, w2, h2]: readonly [number, number, number, number]) =>
          x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y;
        expect(boxes.slice(place + 1).every(isFree)).toBe(true);
      }
    }
  }
});

test('the name of a role is text, whatever it contains, and is shortened where it is long', () => {
  const role = `<script>alert("x")</script>${'x'.repeat(100)}`;
  const html = draw({ status: 'running', steps: [step(`assignRole:${role}`, 'running')] });
  expect(html).not.toContain('<script');
  expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;');
  expect(html).toMatch(/<text class="role"[^>]*>&lt;script&gt;alert[^<]*…<\/text>/);
});

test('nothing of the picture needs a style attribute, which the policy of the console refuses', () => {
  expect(draw(undone())).not.toContain('style=');
});

function undone(): Saga {
  return {
    status: 'compensating',
    steps: [
      step('createUser', 'done'),
      step('setPassword', 'done'),
      step('createProfile', 'compensated'),
      step('assignRole:viewer', 'failed'),
      step('complete', 'waiting', 0),
      step('deleteProfile', 'done'),
      step('deleteUser', 'running'),
    ],
  };
}
