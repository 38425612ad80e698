import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import {
  createHttpProfiles,
  type HttpProfiles,
} from '../../../../activities/relay/http-profiles.ts';
import { ProfileUnavailable, type ProfileRequest } from '../../../../src/domain/profile.ts';
import { PROFILE_SECRET as SECRET } from '../../../support/profile-site.ts';
import { startReceiver } from '../../../support/receiver.ts';

const open: { close(): Promise<void> }[] = [];
test.afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const REQUEST: ProfileRequest = {
  registrationId: randomUUID(),
  userId: 'sub',
  username: 'ada',
  email: 'ada@example.com',
  firstName: 'Ada',
  lastName: null,
};

async function receiver(answer: (response: ServerResponse, index: number) => void) {
  const started = await startReceiver(answer);
  open.push(started);
  return started;
}
function profilesAt(url: string): HttpProfiles {
  const profiles = createHttpProfiles({ url, secret: SECRET });
  open.push(profiles);
  return profiles;
}
const end =
  (status: number, body: object = {}, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    response.writeHead(status, headers).end(JSON.stringify(body));
const soon = (ms = 4000) => AbortSignal.timeout(ms);
async function unavailable(work: Promise<unknown>): Promise<ProfileUnavailable> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  if (!(error instanceof ProfileUnavailable)) throw new Error('it did not fail', { cause: error });
  return error;
}

test('a profile is created by a PUT that the library of Standard Webhooks verifies', async () => {
  const { port, received } = await receiver(end(201, { id: 'p-1' }));
  const profiles = profilesAt(`http://127.0.0.1:${port}/api/profiles`);
  expect(await profiles.create(REQUEST, soon())).toEqual({ kind: 'created', profileId: 'p-1' });
  const [request] = received;
  expect(request).toMatchObject({
    method: 'PUT',
    path: `/api/profiles/${REQUEST.registrationId}`,
    headers: { 'content-type': 'application/json', 'idempotency-key': REQUEST.registrationId },
  });
  const headers = request?.headers as Record<string, string>;
  expect(new Webhook(SECRET).verify(request?.body ?? '', headers)).toEqual({
    registration_id: REQUEST.registrationId,
    user_id: 'sub',
    username: 'ada',
    email: 'ada@example.com',
    first_name: 'Ada',
    last_name: null,
  });
});

test('a profile is deleted by a signed DELETE of the same address under another message id', async () => {
  const { port, received } = await receiver(end(204));
  const profiles = profilesAt(`http://127.0.0.1:${port}/profiles`);
  await profiles.create(REQUEST, soon()).catch(() => undefined);
  expect(await profiles.delete(REQUEST, soon())).toBe('final_after_grace');
  const [put, removed] = received;
  expect(removed).toMatchObject({ method: 'DELETE', path: put?.path, body: '' });
  const headers = removed?.headers as Record<string, string>;
  new Webhook(SECRET).verify('', headers);
  expect(headers['webhook-id']).not.toBe(put?.headers['webhook-id']);
});

test('every attempt has the same message id and Idempotency-Key', async () => {
  const { port, received } = await receiver((response, index) =>
    end(index === 0 ? 503 : 200, { id: 'p-1' })(response),
  );
  const profiles = profilesAt(`http://127.0.0.1:${port}/profiles`);
  expect(await unavailable(profiles.create(REQUEST, soon()))).toMatchObject({
    reason: 'HTTP 503',
    mayHaveEffect: true,
  });
  await profiles.create(REQUEST, soon());
  for (const name of ['webhook-id', 'idempotency-key']) {
    expect(new Set(received.map(({ headers }) => headers[name])).size).toBe(1);
  }
});

test.each([301, 302, 307, 308])('a redirect with %i is not followed', async (status) => {
  const elsewhere = await receiver(end(201, { id: 'p-1' }));
  const { port } = await receiver(end(status, {}, { location: elsewhere.url }));
  const profiles = profilesAt(`http://127.0.0.1:${port}/profiles`);
  const { reason } = await unavailable(profiles.create(REQUEST, soon()));
  expect(reason).toBe(`HTTP ${status}`);
  expect(elsewhere.received).toEqual([]);
});

test('a service that does not answer in time may have created the profile', async () => {
  const { port } = await receiver(() => undefined);
  const profiles = profilesAt(`http://127.0.0.1:${port}/profiles`);
  expect(await unavailable(profiles.create(REQUEST, soon(100)))).toMatchObject({
    reason: 'time-out',
    mayHaveEffect: true,
  });
});

test('a service that cannot be reached has done nothing', async () => {
  const gone = await startReceiver(end(201));
  await gone.close();
  const profiles = profilesAt(`http://127.0.0.1:${gone.port}/profiles`);
  expect(await unavailable(profiles.create(REQUEST, soon()))).toMatchObject({
    reason: 'ECONNREFUSED',
    mayHaveEffect: false,
  });
});

test('the address of the metadata service of a cloud is refused', async () => {
  const profiles = profilesAt('http://169.254.169.254/profiles');
  expect(await unavailable(profiles.create(REQUEST, soon()))).toMatchObject({
    reason: 'private address',
    mayHaveEffect: false,
  });
});

test('an answer without end is cut off and has no id', async () => {
  const { port } = await receiver((response) => {
    response.writeHead(201);
    const more = () => {
      if (!response.destroyed) response.write('x'.repeat(32 * 1024), () => setImmediate(more));
    };
    more();
  });
  const profiles = profilesAt(`http://127.0.0.1:${port}/profiles`);
  const { reason } = await unavailable(profiles.create(REQUEST, soon()));
  expect(reason).toBe('HTTP 201 without an id');
});
