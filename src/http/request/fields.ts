import { z } from '@hono/zod-openapi';
import { MAX_EMAIL_OCTETS, normaliseEmail } from '../../domain/email.ts';
import { hasPasswordCharacters, PASSWORD_CHARACTERS } from '../../domain/password-policy.ts';
import { MAX_ROLES, ROLE_NAME } from '../../domain/role.ts';
import { MAX_USERNAME, MIN_USERNAME, USERNAME_CHARACTERS } from '../../domain/username.ts';

/** Duplicates are merged before the bound of 20 counts; this bounds the list that is sent. */
const MAX_ROLES_SENT = 200;
export const MAX_NAME = 50;
/** Cognito's own limit; the policy of the pool may demand more. */
export const MAX_PASSWORD = 256;
const CONTROL = /\p{Cc}/u;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Text that PostgreSQL can hold and a log line can show: no control character, no lone surrogate. */
export function isPlain(value: string): boolean {
  return value.isWellFormed() && !CONTROL.test(value);
}

// The same for the document, spelled out: regular expressions of other languages know fewer classes
// and define white space differently.
export const CONTROLS = String.raw`\u0000-\u001f\u007f-\u009f`;
const PLAIN = `[^${CONTROLS}]*`;
const NOT_BLANK = String.raw`[^\s\ufeff${CONTROLS}]`;

/** How a message states a bound: `at most 50 characters`. */
export function lengthBound(which: 'least' | 'most', count: number, unit = 'character'): string {
  return `at ${which} ${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** Lengths are in characters, as in the document, not in UTF-16's units. */
export function text(min: number, max: number) {
  return z
    .string()
    .refine((value) => Array.from(value).length >= min, {
      error: `Must be ${lengthBound('least', min)}.`,
      params: { code: 'too_small' },
    })
    .refine((value) => Array.from(value).length <= max, {
      error: `Must be ${lengthBound('most', max)}.`,
      params: { code: 'too_big' },
    })
    .refine((value) => min === 0 || value.trim() !== '', {
      error: 'Must not be blank.',
      params: { code: 'blank' },
    })
    .refine(isPlain, {
      error: 'Must not contain control characters or invalid Unicode.',
      params: { code: 'control_character' },
    })
    .openapi({
      minLength: min,
      maxLength: max,
      pattern: min === 0 ? `^${PLAIN}$` : `^${PLAIN}${NOT_BLANK}${PLAIN}$`,
    });
}

/** For the document; `usernameFault` checks the value. Surrounding white space is ignored. */
export const USERNAME_PATTERN = `^[^\\S${CONTROLS}]*[A-Za-z0-9._-]{${MIN_USERNAME},${MAX_USERNAME}}[^\\S${CONTROLS}]*$`;

/** Why a text is not a username; null if it is one after trimming. */
export function usernameFault(sent: string): 'too_small' | 'too_big' | 'invalid_username' | null {
  const name = sent.trim();
  if (name.length < MIN_USERNAME) return 'too_small';
  if (name.length > MAX_USERNAME) return 'too_big';
  return USERNAME_CHARACTERS.test(name) && isPlain(sent) ? null : 'invalid_username';
}

const USERNAME_FAULTS = {
  too_small: `Must be ${lengthBound('least', MIN_USERNAME)}.`,
  too_big: `Must be ${lengthBound('most', MAX_USERNAME)}.`,
  invalid_username: 'Must contain only the letters A–Z and a–z, digits, `.`, `_` and `-`.',
};

export const username = z
  .string()
  .transform((value, context) => {
    const code = usernameFault(value);
    if (code === null) return value.trim();
    context.addIssue({ code: 'custom', message: USERNAME_FAULTS[code], params: { code } });
    return z.NEVER;
  })
  .openapi({
    type: 'string',
    pattern: USERNAME_PATTERN,
    description: 'Compared without case.',
    example: 'ada.lovelace',
  });

/** A password that somebody chooses. Not trimmed; the code that reads it must turn it into a Secret. */
export function chosenPassword() {
  return z
    .string()
    .min(1)
    .refine((value) => Array.from(value).length <= MAX_PASSWORD, {
      error: `Must be ${lengthBound('most', MAX_PASSWORD)}.`,
      params: { code: 'too_big' },
    })
    .refine((value) => value.isWellFormed(), {
      error: 'Must not contain invalid Unicode.',
      params: { code: 'broken_unicode' },
    })
    .refine((value) => !value.isWellFormed() || hasPasswordCharacters(value), {
      error: 'Must not begin or end with white space, or contain line breaks.',
      params: { code: 'white_space' },
    })
    .openapi({
      type: 'string',
      format: 'password',
      writeOnly: true,
      minLength: 1,
      maxLength: MAX_PASSWORD,
      pattern: PASSWORD_CHARACTERS,
      description: 'The password for sign-in. No response contains it.',
    });
}

export const email = z
  .string()
  .transform((value, context) => {
    const normalised = isPlain(value) ? normaliseEmail(value) : null;
    if (normalised !== null) return normalised;
    context.addIssue({
      code: 'custom',
      message: 'Must be a valid e-mail address.',
      params: { code: 'invalid_email' },
    });
    return z.NEVER;
  })
  .openapi({
    type: 'string',
    format: 'email',
    maxLength: MAX_EMAIL_OCTETS,
    example: 'ada@example.com',
  });

// The pattern is written out: the document's generator would append the flag to it.
export const role = z.string().regex(ROLE_NAME).openapi({ pattern: ROLE_NAME.source });

export const roles = z
  .array(role)
  .max(MAX_ROLES_SENT)
  .refine((names) => new Set(names).size <= MAX_ROLES, {
    error: `Must have ${lengthBound('most', MAX_ROLES, 'role')}.`,
    params: { code: 'too_big' },
  })
  .openapi({
    description: `0 to ${MAX_ROLES} roles. Duplicates are merged.`,
    example: ['researcher'],
  });

export const reason = text(0, 500).nullish().openapi({ example: 'Cognito is back' });

export function isUuid(value: string): boolean {
  return UUID.test(value);
}

export const uuid = z
  .string()
  .regex(UUID)
  .transform((value) => value.toLowerCase())
  .openapi({ type: 'string', format: 'uuid' });

/** With its offset, an instant of the year 9999 may fall into 10000, which PostgreSQL cannot read. */
export const LAST_INSTANT = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** An instant of RFC 3339, limited to the years that both JavaScript and PostgreSQL support. */
export const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(Math.min(Math.max(0, Date.parse(value)), LAST_INSTANT)))
  .openapi({ type: 'string', format: 'date-time' });

export const limit = z
  .string()
  .regex(/^\d{1,3}$/)
  .transform(Number)
  .pipe(z.int().min(1).max(200))
  .default(50)
  .openapi({ type: 'integer', minimum: 1, maximum: 200, default: 50 });
