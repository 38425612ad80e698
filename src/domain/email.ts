/** RFC 5321's bound before the @. */
const MAX_LOCAL_OCTETS = 64;
/** Cognito's for a username, which the address is; RFC 5321 would have 254. */
export const MAX_EMAIL_OCTETS = 128;
/** Printable ASCII atoms; quoted local parts and address literals are refused: Cognito refuses them too. */
const ADDRESS =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])$/i;

/**
 * The one form of an address that the ledger and Cognito ever see: trimmed, lower case.
 * A pool's usernames may be case-sensitive for ever, so case is settled before Cognito.
 * @returns null when it is not an address
 */
export function normaliseEmail(text: string): string | null {
  if (text.length > MAX_EMAIL_OCTETS + 64) return null;
  const address = text.trim();
  if (address.length > MAX_EMAIL_OCTETS || address.indexOf('@') > MAX_LOCAL_OCTETS) return null;
  // Before case is settled: the Kelvin sign has an ASCII k for lower case, which is somebody else's.
  return ADDRESS.test(address) ? address.toLowerCase() : null;
}

/** Whether a user of the pool has proved this address; another one in the pool proves nothing. */
export function isProved(
  user: { readonly email: string; readonly emailVerified: boolean },
  address: string,
): boolean {
  return user.emailVerified && normaliseEmail(user.email) === address;
}
