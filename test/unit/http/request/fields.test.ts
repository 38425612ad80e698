import { OpenAPIHono, type z } from '@hono/zod-openapi';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { doorUsername } from '../../../../src/http/public-form/fields.ts';
import { email, text, username } from '../../../../src/http/request/fields.ts';

/** A field as the document describes it. */
function documented(field: z.ZodType) {
  const api = new OpenAPIHono();
  api.openAPIRegistry.register('Field', field);
  const info = { title: '', version: '' };
  const { components } = api.getOpenAPI31Document({ openapi: '3.1.0', info });
  const schema: unknown = components?.schemas?.['Field'];
  return schema as { minLength: number; maxLength: number; pattern: string };
}

describe('text', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60, size: 'max' }),
    fc.string({
      unit: fc.constantFrom(' ', '\t', '\u00a0', '\ufeff', '\u2028', '\u0085', '\u001f', 'a', '😀'),
      maxLength: 60,
    }),
    fc.string({ unit: fc.constantFrom('a', '😀'), minLength: 45, maxLength: 55 }),
  );

  test.each([
    [0, 500],
    [1, 50],
    [3, 50],
  ])('of %d to %d characters: the document and the check say the same', (min, max) => {
    const field = text(min, max);
    const { minLength, maxLength, pattern } = documented(field);
    const form = new RegExp(pattern, 'u');
    fc.assert(
      fc.property(anything, (value) => {
        const length = Array.from(value).length;
        const fits = length >= minLength && length <= maxLength && form.test(value);
        expect(field.safeParse(value).success).toBe(fits);
      }),
    );
    expect([minLength, maxLength]).toEqual([min, max]);
  });

  test('a broken half of a character is refused: no document could send it', () => {
    expect(text(1, 50).safeParse('a\ud83d').success).toBe(false);
  });
});

test.each([
  ['canonical', username],
  ['sign-up', doorUsername],
])('a username, %s: the document and the check say the same', (_door, field) => {
  const form = new RegExp(documented(field).pattern, 'u');
  const letters = ['a', 'Z', '0', '.', '_', '-', '@', 'é', 'ａ', '\u200b'];
  const blanks = [' ', '\t', '\u00a0', '\ufeff', '\u0085'];
  const unit = fc.constantFrom(...letters, ...blanks);
  const fitting = fc.stringMatching(/^ ?[A-Za-z0-9._-]{1,55} ?$/);
  const sent = fc.oneof(fitting, fc.string({ unit, maxLength: 6 }), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(sent, (value) => {
      const { success, data } = field.safeParse(value);
      expect(success).toBe(form.test(value));
      expect(success).toBe(/^[A-Za-z0-9._-]{3,50}$/.test(data ?? ''));
    }),
  );
});

test('an e-mail is as long as a username of Cognito may be, in the document too', () => {
  const { maxLength } = documented(email);
  const local = 'a'.repeat(60);
  const longest = `a@${local}.${local}.de`.padStart(maxLength, 'a');
  expect(longest).toHaveLength(128);
  expect(email.safeParse(longest).success).toBe(true);
  expect(email.safeParse(`a${longest}`).success).toBe(false);
});
