import { z } from '@hono/zod-openapi';
import { MAX_EMAIL_OCTETS, normaliseEmail } from '../../domain/email.ts';
import { hasPasswordCharacters, PASSWORD_CHARACTERS } from '../../domain/password-policy.ts';
import { MAX_USERNAME, MIN_USERNAME, USERNAME_CHARACTERS } from '../../domain/username.ts';
import type { Secret } from '../../secrets/secret.ts';
import {
  CONTROLS,
  isPlain,
  MAX_PASSWORD,
  USERNAME_PATTERN,
  usernameFault,
} from '../request/fields.ts';

/** Fields of the doors that answer like FastAPI. The `params` of an issue hold pydantic's type and
 * context. */

const NOT_PLAIN = valueError('control characters and invalid Unicode are not accepted');
const BROKEN = valueError('invalid Unicode is not accepted');
const BLANK_ENDS = valueError(
  'a password must not begin or end with white space, or contain line breaks',
);

/** Text as it was sent: a password, a token. Lengths are in code points, as the document counts. */
export function sent(max: number, min = 0) {
  return z
    .string()
    .superRefine((value, context) => refuseLength(context, value, min, max))
    .openapi({ minLength: min, maxLength: max });
}

/** A password as plain text; the code that reads it must turn it into a Secret. */
export function passwordText(min = 0) {
  return sent(MAX_PASSWORD, min)
    .refine((value) => value.isWellFormed(), BROKEN)
    .openapi({ type: 'string', format: 'password', writeOnly: true });
}

/** A password that somebody chooses. One that was chosen before is sent as it is. */
export function chosenPasswordText() {
  return passwordText()
    .refine((value) => !value.isWellFormed() || hasPasswordCharacters(value), BLANK_ENDS)
    .openapi({ type: 'string', pattern: PASSWORD_CHARACTERS });
}

export function password(secret: (text: string) => Secret, min = 0) {
  return passwordText(min).transform(secret).openapi({ type: 'string' });
}

/** Text without surrounding white space, normalised to NFC. */
export function trimmed(min: number, max: number) {
  return z
    .string()
    .transform((value, context) => {
      const text = value.normalize('NFC').trim();
      refuseLength(context, text, min, max);
      if (!isPlain(value)) context.addIssue({ code: 'custom', ...NOT_PLAIN });
      return text;
    })
    .openapi({ type: 'string', pattern: patternOf(min, max) });
}

export const doorUsername = z
  .string()
  .transform((value, context) => {
    const name = value.trim();
    const fault = usernameFault(value);
    if (fault === 'invalid_username') {
      const pattern = USERNAME_CHARACTERS.source;
      const message = `String should match pattern '${pattern}'`;
      refuse(context, 'string_pattern_mismatch', message, { pattern });
    } else refuseLength(context, name, MIN_USERNAME, MAX_USERNAME);
    return name;
  })
  .openapi({ type: 'string', pattern: USERNAME_PATTERN, description: 'Compared without case.' });

export const doorEmail = z
  .string()
  .transform((value, context) => {
    const email = isPlain(value) ? normaliseEmail(value) : null;
    if (email !== null) return email;
    const reason = reasonOf(value.trim());
    refuse(context, 'value_error', `value is not a valid email address: ${reason}`, { reason });
    return z.NEVER;
  })
  .openapi({
    type: 'string',
    format: 'email',
    maxLength: MAX_EMAIL_OCTETS,
    example: 'ada@example.com',
  });

function valueError(error: string) {
  return { message: `Value error, ${error}`, params: { type: 'value_error', ctx: { error } } };
}

type Context = Pick<z.RefinementCtx, 'addIssue'>;
type IssueContext = Readonly<Record<string, string | number>>;

function refuse(context: Context, type: string, message: string, ctx: IssueContext): void {
  context.addIssue({ code: 'custom', message, params: { type, ctx } });
}

function refuseLength(context: Context, text: string, min: number, max: number): void {
  const { length } = Array.from(text);
  const characters = (count: number) => `${count} character${count === 1 ? '' : 's'}`;
  if (length < min) {
    const message = `String should have at least ${characters(min)}`;
    refuse(context, 'string_too_short', message, { min_length: min });
  } else if (length > max) {
    const message = `String should have at most ${characters(max)}`;
    refuse(context, 'string_too_long', message, { max_length: max });
  }
}

// For the document. minLength and maxLength would count the surrounding white space too.
function patternOf(min: number, max: number): string {
  const blanks = `[^\\S${CONTROLS}]*`;
  const end = `[^\\s\\ufeff${CONTROLS}]`;
  const inner = `[^${CONTROLS}]{${Math.max(0, min - 2)},${max - 2}}`;
  const whole = min < 2 ? `${end}(?:${inner}${end})?` : `${end}${inner}${end}`;
  return `^${blanks}${min === 0 ? `(?:${whole})?` : whole}${blanks}$`;
}

function reasonOf(address: string): string {
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  if (at < 0) return 'An email address must have an @-sign.';
  if (local === '') return 'There must be something before the @-sign.';
  if (domain === '') return 'There must be something after the @-sign.';
  if (!domain.includes('.')) {
    return 'The part after the @-sign is not valid. It should have a period.';
  }
  if (address.length > MAX_EMAIL_OCTETS || local.length > 64)
    return 'The email address is too long.';
  return normaliseEmail(`${local}@example.com`) === null
    ? 'The part before the @-sign is not valid.'
    : 'The part after the @-sign is not valid.';
}
