import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Answer, Api, Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';
import { PROFILE_SECRET, REJECTED_DOMAIN } from '../support/profile-site.ts';

const PASSWORD = 'Correct-Horse-1';
const PATIENCE_MS = 60_000;

test.override('deploymentOptions', ({ profiles }) => ({
  env: {
    PROFILE_URL: profiles.url,
    PROFILE_SECRET,
    DOORS: 'signup',
    REGISTER_LIMIT_PER_MINUTE: '10000',
    PASSWORD_SEALING_KEYS: `profiles:${randomBytes(32).toString('base64')}`,
    RETRY_BUDGET_SECONDS: '1',
    PROPAGATION_GRACE_SECONDS: '1',
  },
}));

let api: Api;
test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
  api = await deployment.api();
});
test.afterEach(({ profiles }) => profiles.clear());

const signUp = (deployment: Deployment, name: string, more: object = {}): Promise<Answer> =>
  deployment.call(api, 'POST', '/auth/register', {
    email: `${name}@example.com`,
    username: name,
    first_name: 'Ada',
    last_name: 'Lovelace',
    password: PASSWORD,
    ...more,
  });
const usersOf = async (deployment: Deployment, email: string) =>
  (await deployment.users()).filter((user) => user.email === email);

test('a registration has the id of its profile in its receipt', async ({
  deployment,
  profiles,
}) => {
  const answer = await deployment.register(api, 'ada@example.com', { prefer: 'wait=30' });
  expect(answer.status).toBe(201);
  const profile = await profiles.of(String(answer.body['id']));
  expect(profile).toMatchObject({ email: 'ada@example.com', userId: answer.body['userId'] });
  expect(answer.body['profileId']).toBe(profile?.id);
  expect((answer.body['steps'] as { name: string }[]).map(({ name }) => name)).toContain(
    'createProfile',
  );
});

test.for([
  { field: 'e-mail', person: { username: 'free' }, detail: 'Email already exists' },
  { field: 'username', person: { email: 'free@example.com' }, detail: 'Username already exists' },
])(
  'a taken $field in the profile service answers the words of sign-up and leaves no user',
  async ({ field, person, detail }, { deployment, profiles }) => {
    const name = `held-${field.replace('-', '')}`;
    await profiles.addStranger({ email: `${name}@example.com`, username: name });
    const answer = await signUp(deployment, name, person);
    expect(answer).toMatchObject({ status: 400, body: { detail } });
    for (const email of [`${name}@example.com`, 'free@example.com']) {
      expect(await usersOf(deployment, email)).toEqual([]);
    }
  },
);

test('a person whom the profile service rejects gets 422 and leaves no user', async ({
  deployment,
}) => {
  const email = `somebody@${REJECTED_DOMAIN}`;
  const signedUp = await signUp(deployment, 'somebody', { email });
  expect(signedUp).toMatchObject({
    status: 422,
    body: { detail: [{ type: 'profile_rejected', loc: ['body'] }] },
  });
  const registered = await deployment.register(api, email, { prefer: 'wait=30' });
  expect(registered).toMatchObject({ status: 422, body: { code: 'profile_rejected' } });
  expect(await usersOf(deployment, email)).toEqual([]);
});

test('a registration waits parked while the profile service is away, and completes when retried', async ({
  deployment,
  profiles,
}) => {
  profiles.setFaults({ method: 'PUT', fault: { kind: 'status', status: 503 } });
  const answer = await deployment.register(api, 'patient@example.com', { prefer: 'wait=60' });
  expect(answer.status).toBe(202);
  const id = String(answer.body['id']);
  const parked = await deployment.untilStatus(api, id, 'roles_pending', PATIENCE_MS);
  expect(parked.body['failure']).toMatchObject({
    code: 'profile_unavailable',
    cause: 'profile_unavailable_parked',
  });
  profiles.clear();
  await deployment.call(api, 'POST', `/registrations/${id}/retry`);
  const done = await deployment.untilStatus(api, id, 'completed', PATIENCE_MS);
  expect(done.body['profileId']).toBe((await profiles.of(id))?.id);
});
