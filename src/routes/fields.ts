import { z } from '@hono/zod-openapi';
import { normaliseEmail } from '../domain/email.ts';
import { MAX_ROLES, ROLE_NAME } from '../domain/role.ts';

/** Duplicates are merged before the bound of 20 counts; this bounds the list that is sent. */
const MAX_ROLES_SENT = 200;
const CONTROL = /\p{Cc}/u;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Text that PostgreSQL can hold and a log line can show: no control character, no lone surrogate. */
export function isPlain(value: string): boolean {
  return value.isWellFormed() && !CONTROL.test(value);
}

export function text(min: number, max: number) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((value) => min === 0 || value.trim() !== '', {
      error: 'Blanks alone are not accepted.',
      params: { code: 'blank' },
    })
    .refine(isPlain, {
      error: 'Control characters and broken Unicode are not accepted.',
      params: { code: 'control_character' },
    });
}

export const email = z
  .string()
  .transform((value, context) => {
    const normalised = isPlain(value) ? normaliseEmail(value) : null;
    if (normalised !== null) return normalised;
    context.addIssue({
      code: 'custom',
      message: 'This is not an e-mail address.',
      params: { code: 'invalid_email' },
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', format: 'email', maxLength: 254, example: 'ada@example.com' });

// The pattern is written out: the document's generator would append the flag to it.
export const role = z.string().regex(ROLE_NAME).openapi({ pattern: ROLE_NAME.source });

export const roles = z
  .array(role)
  .max(MAX_ROLES_SENT)
  .refine((names) => new Set(names).size <= MAX_ROLES, {
    error: `At most ${MAX_ROLES} here.`,
    params: { code: 'too_big' },
  })
  .openapi({
    description: `0–${MAX_ROLES} roles; duplicates are merged.`,
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

/** The offset of an instant of the year 9999 may lead into 10000, which PostgreSQL cannot read. */
const LAST_INSTANT = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** An instant of RFC 3339, brought into the years that both we and PostgreSQL can write. */
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

export const cursor = z.string().max(400).optional().openapi({
  description: 'The `nextCursor` of the page before.',
});
