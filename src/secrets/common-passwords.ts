import { dictionary } from '@zxcvbn-ts/language-common';
import { caselessForm } from '../domain/password-policy.ts';

/** The 49,000 most common passwords of published leaks, each in its caseless form. */
export function commonPasswords(): ReadonlySet<string> {
  return new Set(dictionary['passwords-common'].map(caselessForm));
}
