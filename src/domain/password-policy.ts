/** What a person must choose (PASSWORD_RULES). Common and personal passwords are refused by both. */
export const PASSWORD_RULES = ['composition', 'length'] as const;
export type PasswordRules = (typeof PASSWORD_RULES)[number];

/** What is known about the person whose password it is. */
export interface PasswordOwner {
  readonly email?: string | null | undefined;
  readonly username?: string | null | undefined;
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
}

/** The rules for a password that somebody chooses; the pool has a policy of its own. */
export interface PasswordPolicy {
  readonly rules: PasswordRules;
  /** Every text that `faultOf` returns, in the order of its checks. */
  readonly faults: readonly string[];
  /** The rules in one sentence. */
  readonly description: string;
  /** The first rule that the password breaks, as a text for the person; null if it breaks none.
   * @param confirmation null if none was sent */
  faultOf(password: string, confirmation: string | null, owner: PasswordOwner): string | null;
  /** The same without confirmation and PASSWORD_RULES: only common and personal passwords. */
  guessableFaultOf(password: string, owner: PasswordOwner): string | null;
}

type Rule = readonly [fits: RegExp, text: string];

/** The texts are part of the contract. Lengths count code points. */
const RULES: Readonly<Record<PasswordRules, readonly Rule[]>> = {
  composition: [
    [/\p{Lu}/u, 'Password must contain at least one uppercase letter'],
    [/\p{Ll}/u, 'Password must contain at least one lowercase letter'],
    [/\p{Nd}/u, 'Password must contain at least one digit'],
    [/^.{8,}$/su, 'Password must be at least 8 characters long'],
  ],
  length: [[/^.{15,}$/su, 'Password must be at least 15 characters long']],
};
const DESCRIPTIONS: Readonly<Record<PasswordRules, string>> = {
  composition: 'At least 8 characters, with an uppercase letter, a lowercase letter and a digit.',
  length: 'At least 15 characters.',
};
const DIFFERENT = 'Passwords do not match';
const COMMON = 'Password is too common';
const PERSONAL = 'Password must not contain your e-mail, username or name';
/** Shorter names are not searched for: "Al" is part of many words. A username has at least 3. */
const SHORTEST_NAME = 3;

/** Cognito accepts no white space at the ends and no line break: its pattern is `^[\S]+.*[\S]+$`. In
 * portable form, since JavaScript's `\s` has more characters. An empty text breaks other rules. */
export const PASSWORD_CHARACTERS = String.raw`^(?:[^\t\n\v\f\r ](?:[^\n\r]*[^\t\n\v\f\r ])?)?$`;

/** Whether Cognito accepts the characters of a chosen password. */
export function hasPasswordCharacters(password: string): boolean {
  return password.isWellFormed() && new RegExp(PASSWORD_CHARACTERS).test(password);
}

/** The same for all spellings of a text that people take for one: by case and Unicode form. */
export function caselessForm(text: string): string {
  // In both directions: only upper case unites ß with SS, only lower case unites İ with i̇.
  return text.normalize('NFKC').toLowerCase().toUpperCase().normalize('NFKC');
}

/** @param common common passwords, each in its `caselessForm` */
export function createPasswordPolicy(
  rules: PasswordRules,
  common: Pick<ReadonlySet<string>, 'has'>,
): PasswordPolicy {
  const guessableFaultOf = (password: string, owner: PasswordOwner): string | null => {
    const form = caselessForm(password);
    if (common.has(form)) return COMMON;
    return namesOf(owner).some((name) => form.includes(name)) ? PERSONAL : null;
  };
  return {
    rules,
    faults: [DIFFERENT, ...RULES[rules].map(([, text]) => text), COMMON, PERSONAL],
    description: DESCRIPTIONS[rules],
    faultOf: (password, confirmation, owner) => {
      if (confirmation !== null && confirmation !== password) return DIFFERENT;
      const broken = RULES[rules].find(([fits]) => !fits.test(password));
      return broken?.[1] ?? guessableFaultOf(password, owner);
    },
    guessableFaultOf,
  };
}

function namesOf({ email, username, firstName, lastName }: PasswordOwner): string[] {
  return [email, email?.split('@', 1)[0], username, firstName, lastName]
    .map((name) => caselessForm(name ?? '').trim())
    .filter((name) => Array.from(name).length >= SHORTEST_NAME);
}
