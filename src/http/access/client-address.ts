import type { Context } from 'hono';
import ipaddr from 'ipaddr.js';

/** The client as limits count it: an IPv4 address, or the /64 of an IPv6 address, because a host
 * can choose any address of its /64. */
export type ClientAddress = (c: Context) => string;

const UNKNOWN = 'unknown';
/** IPv6 networks whose addresses carry the IPv4 address of the client, and where (index of the first
 * of two 16-bit groups). Such a client is counted by its IPv4 address. */
const IPV4_IN_IPV6: { network: string; group: number; inverted?: true }[] = [
  { network: '::ffff:0:0/96', group: 6 }, // IPv4-mapped
  { network: '::ffff:0:0:0/96', group: 6 }, // IPv4-translated, RFC 7915
  { network: '64:ff9b::/96', group: 6 }, // NAT64, RFC 6052
  { network: '2002::/16', group: 1 }, // 6to4: each IPv4 address has a /48
  { network: '2001::/32', group: 6, inverted: true }, // Teredo: the client may choose the rest
];

interface Log {
  warn(fields: object, message: string): void;
}

/**
 * Trusts the configured number of proxies. Each appends the address that it received the request from,
 * so the client is that many entries from the right. The client itself may have written the rest.
 */
export function createClientAddress(trustedProxies: number, log: Log): ClientAddress {
  let warned = false;
  return (c) => {
    const env = c.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined;
    const peer = normalised(env?.incoming?.socket?.remoteAddress ?? '') ?? UNKNOWN;
    const forwarded = c.req.header('x-forwarded-for');
    if (forwarded === undefined) return peer;
    if (trustedProxies > 0) return forwardedFor(forwarded, trustedProxies) ?? peer;
    if (!warned) {
      warned = true;
      log.warn(
        {},
        'X-Forwarded-For received but TRUSTED_PROXIES is 0: rate limits apply to the address of the proxy',
      );
    }
    return peer;
  };
}

// Fewer entries than proxies: the request did not pass through all of them.
function forwardedFor(header: string, trustedProxies: number): string | null {
  const hops = header.split(',');
  return normalised(hops[Math.max(0, hops.length - trustedProxies)] ?? '');
}

/** @returns null if the text is not an address, such as `unknown` or a host name */
function normalised(text: string): string | null {
  const [, bracketed, plain] = /^\s*(?:\[([^\]]+)\](?::\d+)?|(\S+?))\s*$/.exec(text) ?? [];
  const bare = (bracketed ?? plain ?? '').replace(/%.*$/, '').replace(/^([\d.]+):\d+$/, '$1');
  if (ipaddr.IPv4.isValidFourPartDecimal(bare)) return ipaddr.IPv4.parse(bare).toString();
  if (!ipaddr.IPv6.isValid(bare)) return null;
  const address = ipaddr.IPv6.parse(bare);
  return embeddedIPv4(address) ?? networkOf(address, 64);
}

/**
 * The networks that a client is counted in, one for each prefix length, starting with its own.
 * @param address what ClientAddress returns
 * @param prefixLengths of IPv6, the first is 64; an IPv4 address is its only network
 */
export function networksOf(address: string, prefixLengths: readonly number[]): string[] {
  if (!ipaddr.IPv6.isValidCIDR(address)) return [address];
  const [network] = ipaddr.IPv6.parseCIDR(address);
  return prefixLengths.map((length) => networkOf(network, length));
}

function networkOf(address: ipaddr.IPv6, prefixLength: number): string {
  const inside = `${address.toString()}/${prefixLength}`;
  return `${ipaddr.IPv6.networkAddressFromCIDR(inside).toString()}/${prefixLength}`;
}

function embeddedIPv4(address: ipaddr.IPv6): string | null {
  const found = IPV4_IN_IPV6.find(({ network }) => address.match(ipaddr.IPv6.parseCIDR(network)));
  if (!found) return null;
  const octets = address.toByteArray().slice(found.group * 2, found.group * 2 + 4);
  return octets.map((octet) => (found.inverted ? 255 - octet : octet)).join('.');
}
