/** RFC 5321's bounds: 64 octets before the @, 254 in all. */
const MAX_LOCAL_OCTETS = 64;
const MAX_OCTETS = 254;
/** Printable ASCII atoms; quoted local parts and address literals are refused: Cognito refuses them too. */
const ADDRESS =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])$/;

/**
 * The one form of an address that the ledger and Cognito ever see: trimmed, lower case.
 * A pool's usernames may be case-sensitive for ever, so case is settled before Cognito.
 * @returns null when it is not an address
 */
export function normaliseEmail(text: string): string | null {
  if (text.length > MAX_OCTETS + 64) return null;
  const email = text.trim().toLowerCase();
  if (email.length > MAX_OCTETS || email.indexOf('@') > MAX_LOCAL_OCTETS) return null;
  return ADDRESS.test(email) ? email : null;
}
