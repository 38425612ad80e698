import { createHash } from 'node:crypto';

/** What a log says in the place of an address: the first 16 hex digits of the SHA-256 of its normalised
 * form. It finds a person's lines for whoever has the address, and can be guessed from a list of
 * addresses: it is a pseudonym and no secret. */
export function emailHash(email: string): string {
  return createHash('sha256').update(email).digest('hex').slice(0, 16);
}
