/** The one form of a username that the ledger and Cognito ever see: without blanks around it, in one
 * Unicode form. Case stays as it was sent, and does not count. */
export function normaliseUsername(text: string): string {
  return text.normalize('NFC').trim();
}

/** The same for all names that the ledger could take for one: to some databases İ is i, or the sigma at
 * the end of a word another one. Counts and turns go by it; who holds a name is the ledger's to say. */
export function caseless(username: string): string {
  return username.toLowerCase().toUpperCase().normalize('NFD').replaceAll(/\p{M}/gu, '');
}
