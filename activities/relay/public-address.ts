import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Finds all addresses of a name. */
export type Resolve = (
  hostname: string,
  done: (error: Error | null, answers: LookupAddress[]) => void,
) => void;

export const resolveByDns: Resolve = (hostname, done) => lookup(hostname, { all: true }, done);

/**
 * Services of a cloud to its own machines, which hand out credentials or take orders. Most are at
 * 169.254.x.x, which is refused by its range; these are in ranges of other addresses.
 */
const OF_CLOUDS = [
  // Azure: the agent of every machine, in the middle of public addresses.
  ipaddr.parseCIDR('168.63.129.16/32'),
  // Alibaba Cloud.
  ipaddr.parseCIDR('100.100.100.200/32'),
  // AWS: metadata, credentials of containers, DNS and time over IPv6.
  ipaddr.parseCIDR('fd00:ec2::/32'),
  // Google Cloud, Oracle Cloud, Scaleway.
  ipaddr.parseCIDR('fd20:ce::254/128'),
  ipaddr.parseCIDR('fd00:c1::a9fe:a9fe/128'),
  ipaddr.parseCIDR('fd00:42::42/128'),
];
/** A receiver on the developer's machine or network. */
const NEARBY = new Set<string>(['loopback', 'private', 'uniqueLocal']);
/** What has been given out of IPv6; the rest is other address forms and what is to come. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  readonly code = 'private address';
}

/** The public network leads there. @param allowsNearby loopback and private networks too */
export function isPublic(address: string, allowsNearby: boolean): boolean {
  // An IPv4 address in the clothes of IPv6 is what it is.
  const parsed = ipaddr.process(address);
  if (OF_CLOUDS.some((cidr) => parsed.kind() === cidr[0].kind() && parsed.match(cidr)))
    return false;
  const range = parsed.range();
  if (NEARBY.has(range)) return allowsNearby;
  return range === 'unicast' && (parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6));
}

/**
 * The lookup of a socket: every answer has to be public, and the socket connects to one of these
 * very answers. A second look at the name, which might get another answer, never happens.
 */
export function publicLookup(resolve: Resolve, allowsNearby: boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, (error, answers) => {
      if (error) return callback(error, []);
      const [first] = answers;
      if (!first || !answers.every(({ address }) => isPublic(address, allowsNearby))) {
        return callback(new PrivateAddressError(), []);
      }
      if (options.all) return callback(null, answers);
      return callback(null, first.address, first.family);
    });
  };
}
