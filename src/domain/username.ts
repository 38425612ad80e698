export const MIN_USERNAME = 3;
export const MAX_USERNAME = 50;
/** No `@`, so that a username is never somebody's e-mail address, and ASCII alone, so that no two of
 * them look the same. */
export const USERNAME_CHARACTERS = /^[A-Za-z0-9._-]+$/;

/** The same for all spellings of one username: the ledger, locks and counts compare this. */
export function caseless(username: string): string {
  return username.toLowerCase();
}
