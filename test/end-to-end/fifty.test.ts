import { expect } from 'vitest';
import { type Api } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

let api: Api;
test.beforeAll(async ({ deployment }) => {
  api = await deployment.api();
  await api.says(/"worker is polling"/);
});

const fifty = Array.from({ length: 50 }, (_, index) => index);

test('fifty simultaneous POSTs of one address make one user and one completed registration', async ({
  deployment,
}) => {
  const email = 'one@example.com';
  const answers = await Promise.all(
    fifty.map(() => deployment.register(api, email, { prefer: 'wait=20' })),
  );
  const created = answers.filter(({ status }) => status === 201);
  expect(created).toHaveLength(1);
  const id = created[0]?.body['id'];
  for (const { status, body } of answers) {
    if (status === 201) continue;
    expect({ status, body }).toMatchObject({
      status: 409,
      body: { code: 'email_taken', registrationId: id },
    });
  }
  const { body: page } = await deployment.call(api, 'GET', `/registrations?email=${email}`);
  expect(page).toMatchObject({ total: 1, items: [{ id, status: 'completed' }] });
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
});

test('fifty simultaneous POSTs with one Idempotency-Key make one registration, which every answer names', async ({
  deployment,
}) => {
  const email = 'key@example.com';
  const headers = { prefer: 'wait=20', 'idempotency-key': 'the-same' };
  const answers = await Promise.all(fifty.map(() => deployment.register(api, email, headers)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  const ids = new Set(answers.map(({ body }) => body['id']));
  expect(ids.size).toBe(1);
  const replayed = answers.filter(({ headers: got }) => got.get('idempotent-replayed') === 'true');
  expect(replayed).toHaveLength(49);
  const { body: page } = await deployment.call(api, 'GET', `/registrations?email=${email}`);
  expect(page).toMatchObject({ total: 1, items: [{ id: [...ids][0], status: 'completed' }] });
  const users = (await deployment.users()).filter((user) => user.email === email);
  expect(users).toEqual([{ email, mark: [...ids][0], roles: ['viewer'] }]);
});
