import type { Secret } from '../secrets/secret.ts';

/**
 * Checks a password at Cognito as it was typed. If it is refused and has another form in NFC, checks
 * that once more: the keyboards of two devices may send `é` as one character or as two.
 * @param check must not count attempts: both calls are one attempt of the person
 */
export async function checkAsTyped<T>(
  password: Secret,
  check: (password: Secret) => Promise<T>,
  isRefused: (answer: T) => boolean,
): Promise<T> {
  const answer = await check(password);
  const normalised = isRefused(answer) ? password.inNfc() : null;
  return normalised === null ? answer : await check(normalised);
}
