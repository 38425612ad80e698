/** The composition rules of sign-up; the pool has a policy of its own. In the order they are told. */
const RULES: readonly (readonly [fits: RegExp, text: string])[] = [
  [/\p{Lu}/u, 'Password must contain at least one uppercase letter'],
  [/\p{Ll}/u, 'Password must contain at least one lowercase letter'],
  [/\p{Nd}/u, 'Password must contain at least one digit'],
  [/^.{8,}$/su, 'Password must be at least 8 characters long'],
];

export const PASSWORD_FAULTS = ['Passwords do not match', ...RULES.map(([, text]) => text)];

/** The first rule that a password breaks, in words for its owner; null when it breaks none.
 * @param confirmation null where none was sent */
export function passwordFault(password: string, confirmation: string | null): string | null {
  if (confirmation !== null && confirmation !== password) return PASSWORD_FAULTS[0] ?? null;
  return RULES.find(([fits]) => !fits.test(password))?.[1] ?? null;
}
