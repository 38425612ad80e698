import ipaddr from 'ipaddr.js';

/** Whether a host name or address can only mean this machine. */
export function isLoopback(hostname: string): boolean {
  const name = plain(hostname);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return isAddress(name) && ipaddr.process(name).range() === 'loopback';
}

/**
 * Tells by the name in `Host` whether a request was meant for this machine. A web page whose own name
 * was made to resolve to it (DNS rebinding) still sends that name.
 * @param bound what the server listens on; an address that means every interface lets any address
 *   pass: a page cannot be rebound from one
 * @param names others it is known by
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

/** As one name is written one way: lower case, without brackets and the dot of the root. */
function plain(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
