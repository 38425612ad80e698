import ipaddr from 'ipaddr.js';

/** Whether a host name or address can only mean this machine. */
export function isLoopback(hostname: string): boolean {
  const name = plain(hostname);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return isAddress(name) && ipaddr.process(name).range() === 'loopback';
}

/**
 * Tells from the `Host` header whether a request is meant for this machine. A web page whose own name
 * was made to resolve to this machine (DNS rebinding) still sends that name.
 * @param bound the address that the server listens on. If it means every interface, any IP address is
 *   accepted: DNS rebinding needs a name
 * @param names further names of this machine
 */
export function createHostCheck(
  bound: string,
  names: readonly string[] = [],
): (hostname: string) => boolean {
  const known = new Set([bound, ...names].map(plain));
  const everywhere = ['0.0.0.0', '::'].includes(plain(bound));
  return (hostname) => {
    const name = plain(hostname);
    return known.has(name) || isLoopback(name) || (everywhere && isAddress(name));
  };
}

function isAddress(name: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(name) || ipaddr.IPv6.isValid(name);
}

/** Normalises a name: lower case, without brackets and without the dot of the root. */
function plain(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
