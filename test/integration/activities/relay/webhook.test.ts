import { randomBytes, randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { expect } from 'vitest';
import type { Resolve } from '../../../../activities/relay/public-address.ts';
import { createWebhook } from '../../../../activities/relay/webhook.ts';
import type { Destination, Outcome } from '../../../../activities/relay/destination.ts';
import type { UserEvent, UserEventBody } from '../../../../src/domain/user-event.ts';
import { eventually } from '../../../support/eventually.ts';
import { type Receiver, startReceiver } from '../../../support/receiver.ts';
import { test } from '../../../support/relays-test.ts';

const SECRET = `whsec_${randomBytes(32).toString('base64')}`;

const open: { close(): Promise<void> }[] = [];
test.afterEach(async ({ relays }) => {
  await relays.clear();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function receiver(answer: (response: ServerResponse, index: number) => void) {
  const started = await startReceiver(answer);
  open.push(started);
  return started;
}

function webhook(url: string, over: { names?: Record<string, string[]>; allowsNearby?: boolean }) {
  const { names = {}, allowsNearby = true } = over;
  const asked: string[] = [];
  const resolve: Resolve = (hostname, done) => {
    asked.push(hostname);
    const family = (address: string) => (address.includes(':') ? 6 : 4);
    done(
      null,
      (names[hostname] ?? []).map((address) => ({ address, family: family(address) })),
    );
  };
  const destination = createWebhook({ url, secret: SECRET, allowsNearby }, resolve);
  open.push(destination);
  return { destination, asked };
}

const event = (over: Partial<UserEvent> = {}): UserEvent => ({
  id: randomUUID(),
  type: 'user.created',
  registrationId: randomUUID(),
  occurredAt: new Date('2026-01-02T03:04:05.678Z'),
  sequence: 1,
  user: { id: 'sub', username: 'ada', email: 'ada@example.com', emailVerified: true },
  roles: null,
  ...over,
});
async function outcomeOf({ deliver }: Pick<Destination, 'deliver'>): Promise<Outcome | undefined> {
  return (await deliver([event()], new AbortController().signal))[0];
}
const end =
  (status: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    response.writeHead(status, headers).end();

test('the library of Standard Webhooks verifies the signature of a request', async () => {
  const { url, received } = await receiver(end(204));
  const told = event();
  const { destination } = webhook(url, {});
  expect(await destination.deliver([told], new AbortController().signal)).toEqual([
    { id: told.id, kind: 'delivered' },
  ]);
  const [request] = received;
  expect(request).toMatchObject({
    path: '/hooks/',
    headers: { 'content-type': 'application/json', 'webhook-id': told.id },
  });
  const headers = request?.headers as Record<string, string>;
  expect(new Webhook(SECRET).verify(request?.body ?? '', headers)).toEqual({
    type: 'user.created',
    timestamp: '2026-01-02T03:04:05.678Z',
    data: {
      event_type: 'user.created',
      user_data: { id: 'sub', username: 'ada', email: 'ada@example.com', email_verified: true },
      registration_id: told.registrationId,
      occurred_at: '2026-01-02T03:04:05.678Z',
      sequence: 1,
    },
  });
  const other = new Webhook(`whsec_${randomBytes(32).toString('base64')}`);
  expect(() => other.verify(request?.body ?? '', headers)).toThrow('No matching signature');
});

test('an event of roles names all roles after it, and a deletion nothing but the id', async () => {
  const { url, received } = await receiver(end(204));
  const { destination } = webhook(url, {});
  const told = [
    event({ type: 'user.roles_changed', sequence: 2, roles: ['manager', 'viewer'] }),
    event({ type: 'user.roles_changed', sequence: 3, roles: [] }),
    event({ type: 'user.disabled', sequence: 4 }),
    event({ type: 'user.deleted', sequence: 5 }),
  ];
  await destination.deliver(told, new AbortController().signal);
  const bodies = received.map(({ body }) => JSON.parse(body) as { data: UserEventBody });
  const data = bodies.map((body) => body.data).toSorted((a, b) => a.sequence - b.sequence);
  const person = { id: 'sub', username: 'ada', email: 'ada@example.com', email_verified: true };
  expect(data.map(({ user_data }) => user_data)).toEqual([
    { ...person, roles: ['manager', 'viewer'] },
    { ...person, roles: [] },
    person,
    { id: 'sub' },
  ]);
});

test('an event answered with 500 is sent again with the same id and delivered once', async ({
  relays,
}) => {
  const { url, received } = await receiver((response, index) =>
    end(index < 2 ? 500 : 200)(response),
  );
  relays.begin(webhook(url, {}).destination);
  await relays.completed(1);
  for (const attempts of [1, 2]) {
    await eventually(async () => (await relays.deliveries('webhook'))[0]?.attempts === attempts);
    expect((await relays.deliveries('webhook'))[0]).toMatchObject({
      delivered: false,
      lastError: 'HTTP 500',
    });
    await relays.dueNow();
  }
  await eventually(async () => (await relays.deliveries('webhook'))[0]?.delivered === true);
  expect(received).toHaveLength(3);
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
});

test('deliveries are attempted ten times over three days, and a Retry-After of up to a day is kept', async () => {
  const { destination } = webhook('https://hooks.example.com/', {});
  const waits = Array.from({ length: 10 }, (_, index) => destination.retryInMs(index + 1));
  expect(waits.at(-1)).toBeNull();
  const sum = waits.reduce<number>((total, ms) => total + (ms ?? 0), 0);
  expect(sum / 3_600_000).toBeGreaterThan(60);
  expect(sum / 3_600_000).toBeLessThan(91);

  const asking = ['120', new Date(Date.now() + 120_000).toUTCString(), '999999999', 'soon', '-5'];
  const { url } = await receiver((response, index) =>
    end(429, { 'retry-after': asking[index] ?? '' })(response),
  );
  const busy = webhook(url, {}).destination;
  const asked: number[] = [];
  for (const _ of asking) {
    const outcome = await outcomeOf(busy);
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'HTTP 429' });
    asked.push((outcome?.kind === 'failed' ? outcome.retryAfterMs : undefined) ?? -1);
  }
  expect(asked[0]).toBe(120_000);
  expect(asked[1]).toBeGreaterThan(100_000);
  expect(asked.slice(2)).toEqual([86_400_000, 0, 0]);
});

test.each([301, 302, 307, 308])(
  'a redirect with %i is not followed and does not count as a success',
  async (status) => {
    const elsewhere = await receiver(end(200));
    const { url } = await receiver(end(status, { location: elsewhere.url }));
    const outcome = await outcomeOf(webhook(url, {}).destination);
    expect(outcome).toMatchObject({ kind: 'failed', reason: `HTTP ${status}` });
    expect(elsewhere.received).toEqual([]);
  },
);

test('a response without end is cut off, and its status counts', async () => {
  let sent = 0;
  let closed = false;
  const { url } = await receiver((response) => {
    response.on('close', () => {
      closed = true;
    });
    response.writeHead(200);
    const more = (): void => {
      while (!closed && response.write(Buffer.alloc(65_536))) sent += 65_536;
      if (!closed) response.once('drain', more);
    };
    more();
  });
  expect(await outcomeOf(webhook(url, {}).destination)).toMatchObject({ kind: 'delivered' });
  await eventually(() => closed);
  expect(sent).toBeLessThan(20_000_000);
});

test('a webhook host that refuses or does not resolve is a failed attempt', async () => {
  const gone = await startReceiver(end(200));
  await gone.close();
  const outcome = await outcomeOf(webhook(gone.url, {}).destination);
  expect(outcome).toMatchObject({ kind: 'failed', reason: 'ECONNREFUSED' });
  // By the real resolver: `.invalid` never is.
  const url = 'https://hooks.invalid/';
  const nameless = createWebhook({ url, secret: SECRET, allowsNearby: false });
  open.push(nameless);
  expect(await outcomeOf(nameless)).toMatchObject({ reason: expect.stringMatching(/^E[A-Z_]+$/) });
});

test('an endpoint that never answers ends with the relay and records no attempt', async () => {
  const { url, received } = await receiver(() => undefined);
  const over = new AbortController();
  const delivering = webhook(url, {}).destination.deliver([event(), event()], over.signal);
  await eventually(() => received.length === 2);
  over.abort();
  expect(await delivering).toEqual([]);
});

const HIDDEN = [
  ['loopback', '127.0.0.1'],
  ['decimal', '2130706433'],
  ['hexadecimal', '0x7f000001'],
  ['octal', '0177.0.0.1'],
  ['short', '127.1'],
  ['unspecified', '0.0.0.0'],
  ['private', '10.1.2.3'],
  ['private', '172.16.0.1'],
  ['private', '192.168.1.1'],
  ['carrier-grade NAT', '100.64.0.1'],
  ['link-local: metadata of a cloud', '169.254.169.254'],
  ['multicast', '224.0.0.1'],
  ['broadcast', '255.255.255.255'],
  ['reserved', '240.0.0.1'],
  ['IPv6 loopback', '[::1]'],
  ['IPv6 unspecified', '[::]'],
  ['IPv4-mapped', '[::ffff:127.0.0.1]'],
  ['IPv4-compatible', '[::127.0.0.1]'],
  ['NAT64', '[64:ff9b::127.0.0.1]'],
  ['6to4', '[2002:7f00:1::]'],
  ['unique local', '[fd00::1]'],
  ['IPv6 link-local', '[fe80::1]'],
  ['site-local', '[fec0::1]'],
] as const;

/** What a cloud has for its own machines, wherever its address lies. */
const OF_CLOUDS = [
  ['metadata of most clouds', '169.254.169.254'],
  ['credentials of containers on AWS', '169.254.170.2'],
  ['metadata of AWS over IPv6', '[fd00:ec2::254]'],
  ['credentials of pods on AWS over IPv6', '[fd00:ec2::23]'],
  ['the agent of Azure', '168.63.129.16'],
  ['the agent of Azure, IPv4-mapped', '[::ffff:168.63.129.16]'],
  ['metadata of Alibaba Cloud', '100.100.100.200'],
  ['metadata of Google Cloud over IPv6', '[fd20:ce::254]'],
  ['metadata of Oracle Cloud over IPv6', '[fd00:c1::a9fe:a9fe]'],
  ['metadata of Oracle Cloud Classic', '192.0.0.192'],
  ['metadata of Scaleway', '169.254.42.42'],
  ['metadata of Scaleway over IPv6', '[fd00:42::42]'],
  ['metadata of OpenStack over IPv6', '[fe80::a9fe:a9fe]'],
] as const;

test.each(OF_CLOUDS)(
  'no request goes to cloud metadata at %s (%s), not even in development',
  async (_, host) => {
    const address = new URL(`http://${host}`).hostname.replaceAll(/[[\]]/g, '');
    for (const allowsNearby of [false, true]) {
      const names = { 'hooks.example.com': [address] };
      for (const url of [`http://${host}/`, 'http://hooks.example.com/']) {
        const { destination } = webhook(url, { names, allowsNearby });
        expect(await outcomeOf(destination)).toMatchObject({ reason: 'private address' });
      }
    }
  },
);

test.each(HIDDEN)(
  'no request goes to %s %s, given as an address or behind a name',
  async (_, host) => {
    const { port, received }: Receiver = await receiver(end(200));
    const refused = { kind: 'failed', reason: 'private address' };
    const direct = webhook(`http://${host}:${port}/`, { allowsNearby: false });
    expect(await outcomeOf(direct.destination)).toMatchObject(refused);
    // A URL writes the odder forms of an address as plain ones, as a resolver does.
    const address = new URL(`http://${host}`).hostname.replaceAll(/[[\]]/g, '');
    // One bad answer among good ones is enough.
    const names = { 'hooks.example.com': ['93.184.216.34', address] };
    const named = webhook(`http://hooks.example.com:${port}/`, { names, allowsNearby: false });
    expect(await outcomeOf(named.destination)).toMatchObject(refused);
    expect(received).toEqual([]);
  },
);

test('in development private addresses are allowed and cloud metadata is not', async () => {
  const { url, received } = await receiver(end(200));
  expect(await outcomeOf(webhook(url, {}).destination)).toMatchObject({ kind: 'delivered' });
  expect(received).toHaveLength(1);
  const metadata = webhook('http://169.254.169.254/', {});
  expect(await outcomeOf(metadata.destination)).toMatchObject({ reason: 'private address' });
});

test('the connection goes to the checked address under the host’s name', async () => {
  const { port, received } = await receiver(end(200, { connection: 'close' }));
  // The name leads nowhere but by this resolver, and its next answer is another.
  const names = { 'hooks.invalid': ['127.0.0.1'] };
  const { destination, asked } = webhook(`http://hooks.invalid:${port}/`, { names });
  expect(await outcomeOf(destination)).toMatchObject({ kind: 'delivered' });
  expect(asked).toEqual(['hooks.invalid']);
  expect(received[0]?.headers.host).toBe(`hooks.invalid:${port}`);
  names['hooks.invalid'] = ['169.254.169.254'];
  expect(await outcomeOf(destination)).toMatchObject({ reason: 'private address' });
  expect(received).toHaveLength(1);
});
