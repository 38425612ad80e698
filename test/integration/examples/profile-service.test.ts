import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { personFields, ProfileService } from '../../support/profile-service.ts';

let service: ProfileService;
beforeAll(async () => {
  service = await ProfileService.start();
});
afterAll(() => service.remove());

const create = (id: string, more: object = {}) => service.call('PUT', id, personFields(id, more));

test('a profile is created once, and a repeated request gets the same id', async () => {
  const id = randomUUID();
  const first = await create(id, { username: 'Ada', first_name: 'Ada' });
  expect(first).toMatchObject({ status: 201, body: { id: expect.any(String) as string } });
  expect(await create(id, { username: 'Ada' })).toEqual({ status: 200, body: first.body });
  const profile = await service.profileOf(id);
  expect(profile).toMatchObject({ username: 'Ada', first_name: 'Ada', email: `${id}@example.com` });
});

test('twenty requests for one registration at the same time create one profile', async () => {
  const id = randomUUID();
  const answers = await Promise.all(Array.from({ length: 20 }, () => create(id)));
  expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
});

test('a second profile with the same e-mail or username, in any case, is a 409 with the field', async () => {
  const [first, second] = [randomUUID(), randomUUID()];
  await create(first, { email: 'Grace@example.com', username: 'grace' });
  const email = { email: 'grace@EXAMPLE.com' };
  expect(await create(second, email)).toEqual({ status: 409, body: { field: 'email' } });
  const username = { username: 'GRACE' };
  expect(await create(second, username)).toEqual({ status: 409, body: { field: 'username' } });
  expect(await service.profileOf(second)).toBeUndefined();
});

test('a deleted profile frees its e-mail, and a late request for it is a 410', async () => {
  const [id, next] = [randomUUID(), randomUUID()];
  await create(id, { email: 'free@example.com' });
  expect((await service.call('DELETE', id)).status).toBe(204);
  expect((await service.call('DELETE', id)).status).toBe(204);
  expect((await create(id)).status).toBe(410);
  expect((await create(next, { email: 'free@example.com' })).status).toBe(201);
});

test('a deletion that comes before its request keeps the profile from being created', async () => {
  const id = randomUUID();
  expect((await service.call('DELETE', id)).status).toBe(204);
  expect((await create(id)).status).toBe(410);
  expect(await service.profileOf(id)).toBeUndefined();
});

test('a person whose domain is rejected gets a 422 and no profile', async () => {
  const id = randomUUID();
  expect((await create(id, { email: 'eve@rejected.example' })).status).toBe(422);
  expect(await service.profileOf(id)).toBeUndefined();
});

test('a request that is signed with another secret is a 401 and changes nothing', async () => {
  const [id, kept] = [randomUUID(), randomUUID()];
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  await create(kept);
  expect((await service.call('PUT', id, personFields(id), { secret })).status).toBe(401);
  expect((await service.call('DELETE', kept, undefined, { secret })).status).toBe(401);
  expect((await fetch(`${service.url}/${kept}`, { method: 'DELETE' })).status).toBe(401);
  expect(await service.profileOf(kept)).toBeDefined();
});

test('a request whose body, key or webhook-id names another registration is a 400', async () => {
  const [id, other] = [randomUUID(), randomUUID()];
  expect((await service.call('PUT', id, personFields(other))).status).toBe(400);
  expect((await service.call('PUT', id, personFields(id), { key: other })).status).toBe(400);
  expect((await service.call('PUT', id, { registration_id: id })).status).toBe(400);
  // A deletion that somebody recorded does not delete another profile.
  await create(other);
  const recorded = { id: `${id}.deletion` };
  expect((await service.call('DELETE', other, undefined, recorded)).status).toBe(400);
  expect(await service.profileOf(other)).toBeDefined();
  expect(await service.profileOf(id)).toBeUndefined();
});

test('a service that is killed and started again knows its profiles', async () => {
  const id = randomUUID();
  const first = await create(id);
  await service.kill();
  await service.start();
  expect(await create(id)).toEqual({ status: 200, body: first.body });
});

test('SIGTERM ends the service with exit code 0', async () => {
  expect(await service.terminate()).toBe(0);
  await service.start();
});
