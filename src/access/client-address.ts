import type { Context } from 'hono';
import ipaddr from 'ipaddr.js';

/** Who asks, as far as limits go: an IPv4 address, or the /64 of an IPv6 one, which is what a
 * household or a host gets and can choose from at will. */
export type ClientAddress = (c: Context) => string;

const UNKNOWN = 'unknown';

interface Log {
  warn(fields: object, message: string): void;
}

/**
 * Believes as many proxies as there are: each has appended whom it heard from, so the client is that
 * many entries from the right. What stands further left is the client's own invention.
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
      log.warn({}, 'X-Forwarded-For came and TRUSTED_PROXIES is 0: limits see the proxy only');
    }
    return peer;
  };
}

// Fewer entries than proxies: the request entered behind the first of them.
function forwardedFor(header: string, trustedProxies: number): string | null {
  const hops = header.split(',');
  return normalised(hops[Math.max(0, hops.length - trustedProxies)] ?? '');
}

/** @returns null for what is no address: `unknown`, a host name, nonsense */
function normalised(text: string): string | null {
  const [, bracketed, plain] = /^\s*(?:\[([^\]]+)\](?::\d+)?|(\S+?))\s*$/.exec(text) ?? [];
  const bare = (bracketed ?? plain ?? '').replace(/%.*$/, '').replace(/^([\d.]+):\d+$/, '$1');
  if (ipaddr.IPv4.isValidFourPartDecimal(bare)) return ipaddr.IPv4.parse(bare).toString();
  if (!ipaddr.IPv6.isValid(bare)) return null;
  const address = ipaddr.IPv6.parse(bare);
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().toString();
  const network = address.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
