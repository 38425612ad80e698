import { randomInt } from 'node:crypto';
import type { Body, Engine, Pool, SentCode, User } from './model.ts';
import { ServiceError } from './service-error.ts';
import { attributeOf, emailOf } from './users.ts';

const HOUR_MS = 3_600_000;

/** How long a code is valid, by what it is for. */
export const CODE_VALID_MS = { forgotPassword: HOUR_MS, verification: 24 * HOUR_MS } as const;

export const newCode = (digits = 6): string =>
  String(randomInt(10 ** digits)).padStart(digits, '0');

export function expiringCode(pool: Pool, validMs: number): SentCode {
  return { Code: newCode(), ValidUntil: pool.now() + validMs };
}

/** Throws `ExpiredCodeException` where no valid code was sent, `CodeMismatchException` for another. */
export function refuseWrongCode(pool: Pool, sent: SentCode | undefined, given: unknown): void {
  if (sent === undefined || !(sent.ValidUntil > pool.now())) {
    throw new ServiceError(
      'ExpiredCodeException',
      'Invalid code provided, please request a code again.',
    );
  }
  if (sent.Code !== given) throw codeMismatch();
}

export const codeMismatch = (): ServiceError =>
  new ServiceError(
    'CodeMismatchException',
    'Invalid verification code provided, please try again.',
  );

/** Mails a code, and answers where it went. */
export function mailCode(
  engine: Engine,
  pool: Pool,
  user: User,
  source: string,
  code: string,
): Body {
  engine.onCode({ poolId: pool.options.Id, user, to: emailOf(user), source, code });
  return deliveryTo(emailOf(user));
}

/** Sends a code by text message, and answers where it went. */
export function textCode(
  engine: Engine,
  pool: Pool,
  user: User,
  source: string,
  code: string,
): Body {
  const to = attributeOf(user, 'phone_number') ?? '';
  engine.onCode({ poolId: pool.options.Id, user, to, source, code });
  return {
    AttributeName: 'phone_number',
    DeliveryMedium: 'SMS',
    Destination: `+${'*'.repeat(Math.max(to.length - 5, 0))}${to.slice(-4)}`,
  };
}

export const deliveryTo = (email: string): Body => ({
  AttributeName: 'email',
  DeliveryMedium: 'EMAIL',
  Destination: email.replace(/^(.)[^@]*@(.).*$/, '$1***@$2***'),
});
