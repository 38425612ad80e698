import { expect } from 'vitest';
import { type ApiUnderTest, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const ofGroups = (api: ApiUnderTest, ...groups: string[]) =>
  api.issuer.token({ 'cognito:groups': groups });

test('an administrator gets every role of the pool, by name', async ({ api }) => {
  const { status, body } = await api.call('/roles', { token: ofGroups(api, 'admin') });
  expect([status, body]).toEqual([
    200,
    {
      items: [
        { name: 'admin', description: null },
        { name: 'researcher', description: 'Searches' },
        { name: 'viewer', description: 'Looks' },
      ],
    },
  ]);
});

test('a caller gets the roles that it may grant and the pool has', async ({ api }) => {
  const manager = {
    subject: { kind: 'group', name: 'manager' },
    roles: ['viewer', 'gone'],
  } as const;
  const app = api.app({ grants: [manager] });
  const { body } = await api.call('/roles', { token: ofGroups(api, 'manager'), app });
  expect(body).toEqual({ items: [{ name: 'viewer', description: 'Looks' }] });
});

test('a caller who may grant nothing is refused, and the pool is not asked', async ({ api }) => {
  const list = () => Promise.reject(new Error('asked'));
  const app = api.app({ roles: { ...api.deps.roles, list } });
  const answer = await api.call('/roles', { token: ofGroups(api, 'visitor'), app });
  expect([answer.status, answer.body]).toEqual([
    403,
    problem(answer, 'forbidden', 403, 'Forbidden'),
  ]);
});
