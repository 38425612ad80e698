import { randomInt } from 'node:crypto';
import type { PasswordPolicy } from './model.ts';
import { ServiceError } from './service-error.ts';

const UPPER = 'ABCDEFGHJKLMNPQRSTUVWXYZ';
const LOWER = 'abcdefghijkmnopqrstuvwxyz';
const DIGITS = '23456789';
const SYMBOLS = '!$%&*+-?';

/** Throws `InvalidPasswordException` unless the password fits the pool's policy. */
export function checkPassword(policy: PasswordPolicy, password: string): void {
  const refuse = (why: string): never => {
    throw new ServiceError(
      'InvalidPasswordException',
      `Password did not conform with policy: ${why}`,
    );
  };
  if (password.length < (policy.MinimumLength ?? 6)) refuse('Password not long enough');
  if (password.length > 256) refuse('Password too long');
  if (policy.RequireUppercase && !/[A-Z]/.test(password)) {
    refuse('Password must have uppercase characters');
  }
  if (policy.RequireLowercase && !/[a-z]/.test(password)) {
    refuse('Password must have lowercase characters');
  }
  if (policy.RequireNumbers && !/\d/.test(password)) {
    refuse('Password must have numeric characters');
  }
  if (policy.RequireSymbols && !/[\^$*.[\]{}()?"!@#%&/\\,><':;|_~`=+-]/.test(password)) {
    refuse('Password must have symbol characters');
  }
}

/** A temporary password that fits every policy. */
export function temporaryPassword(): string {
  const all = [UPPER, LOWER, DIGITS, SYMBOLS];
  const pick = (set: string): string => set[randomInt(set.length)] ?? 'a';
  return [...all, ...Array.from({ length: 8 }, () => UPPER + LOWER + DIGITS)].map(pick).join('');
}
