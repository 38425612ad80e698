import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { createClientAddress, networksOf } from '../../../../src/http/access/client-address.ts';

/** What the reader makes of a peer and a header; and how often it warned. */
async function addressOf(peer: string | undefined, forwarded: string | null, proxies: number) {
  let warnings = 0;
  const read = createClientAddress(proxies, { warn: () => void (warnings += 1) });
  const app = new Hono().get('/', (c) => c.text(read(c)));
  const ask = async () => {
    const headers = forwarded === null ? {} : { 'x-forwarded-for': forwarded };
    const env = peer === undefined ? {} : { incoming: { socket: { remoteAddress: peer } } };
    return await (await app.request('/', { headers }, env)).text();
  };
  const addresses = [await ask(), await ask()];
  expect(addresses[1]).toBe(addresses[0]);
  return { address: addresses[0], warnings };
}

const PEER = '198.51.100.7';

test.each<[string, string | undefined, string | null, number, string]>([
  ['nothing in front', PEER, null, 0, PEER],
  ['a header that nobody is trusted for', PEER, '203.0.113.9', 0, PEER],
  ['one proxy', PEER, '203.0.113.9', 1, '203.0.113.9'],
  ['one proxy, and what the client made up', PEER, '1.1.1.1, 203.0.113.9', 1, '203.0.113.9'],
  ['two proxies', PEER, '1.1.1.1, 203.0.113.9, 10.0.0.1', 2, '203.0.113.9'],
  ['fewer entries than proxies', PEER, '203.0.113.9', 3, '203.0.113.9'],
  ['a proxy that says nothing', PEER, null, 1, PEER],
  ['a port', PEER, '203.0.113.9:4711', 1, '203.0.113.9'],
  ['IPv6', PEER, '2001:db8:1:2:aaaa::1', 1, '2001:db8:1:2::/64'],
  ['IPv6 in brackets, with a port', PEER, '[2001:DB8:1:2::9]:443', 1, '2001:db8:1:2::/64'],
  ['IPv6 with a zone', 'fe80::1%eth0', null, 0, 'fe80::/64'],
  ['IPv4 in IPv6', '::ffff:198.51.100.7', null, 0, PEER],
  ['IPv4 in IPv6 by a proxy', PEER, '::ffff:203.0.113.9', 1, '203.0.113.9'],
  ['IPv4 in IPv6, in hex digits', '0:0:0:0:0:FFFF:c633:6407', null, 0, PEER],
  ['IPv4 in IPv6, in brackets, with a port', PEER, '[::ffff:203.0.113.9]:443', 1, '203.0.113.9'],
  ['IPv4 translated (RFC 7915)', '::ffff:0:198.51.100.7', null, 0, PEER],
  ['IPv4 behind NAT64', '64:ff9b::198.51.100.7', null, 0, PEER],
  ['any address of a 6to4 network', '2002:c633:6407:1234:5678::9', null, 0, PEER],
  ['Teredo, whatever server it names', '2001:0:102:304:8000:1234:39cc:9bf8', null, 0, PEER],
  ['an address beside these networks', '64:ff9b:0:0:1::1', null, 0, '64:ff9b::/64'],
  ['a name', PEER, 'evil.example', 1, PEER],
  ['unknown', PEER, 'unknown', 1, PEER],
  ['an octal address', PEER, '0177.0.0.1', 1, PEER],
  ['a number', PEER, '2130706433', 1, PEER],
  ['an empty entry', PEER, '203.0.113.9, ', 1, PEER],
  ['commas', PEER, ',,,,', 2, PEER],
  ['a long one', PEER, 'x'.repeat(20_000), 1, PEER],
  ['no peer', undefined, null, 0, 'unknown'],
])('%s', async (_what, peer, forwarded, proxies, expected) => {
  const { address, warnings } = await addressOf(peer, forwarded, proxies);
  expect(address).toBe(expected);
  expect(warnings).toBe(forwarded !== null && proxies === 0 ? 1 : 0);
});

test('two hosts of one /64 are one, of two are two', async () => {
  const [one, same, other] = await Promise.all(
    ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:db8:0:1::1'].map((peer) =>
      addressOf(peer, null, 0),
    ),
  );
  expect(same?.address).toBe(one?.address);
  expect(other?.address).not.toBe(one?.address);
});

test('an IPv6 client is in the /64, /56 and /48 of its address, an IPv4 client in none', async () => {
  const lengths = [64, 56, 48];
  const { address = '' } = await addressOf('2001:db8:a:bcde:f::1', null, 0);
  expect(networksOf(address, lengths)).toEqual([
    '2001:db8:a:bcde::/64',
    '2001:db8:a:bc00::/56',
    '2001:db8:a::/48',
  ]);
  expect(networksOf('::/64', lengths)).toEqual(['::/64', '::/56', '::/48']);
  for (const other of [PEER, 'unknown']) expect(networksOf(other, lengths)).toEqual([other]);
});
