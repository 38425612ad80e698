import { inspect } from 'node:util';
import { serialize } from 'node:v8';
import * as fc from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Secret, SecretKept } from '../../../src/secrets/secret.ts';

const TEXT = 'correct horse battery staple';
const secret = new Secret(TEXT);
// As a careless line would have it, behind the compiler's back.
const text = secret as unknown as string;

test('reveal returns exactly the text of the secret', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (any) => {
      expect(new Secret(any).reveal()).toBe(any);
    }),
  );
});

test.each<[string, () => unknown]>([
  ['JSON', () => JSON.stringify(secret)],
  ['JSON of what holds it', () => JSON.stringify({ deep: [{ secret }] })],
  ['text', () => String(secret)],
  ['a template', () => `password: ${text}`],
  ['a sum', () => text + text],
  ['a number', () => Number(secret)],
  ['a list that is joined', () => [secret].join(',')],
  ['a key', () => ({ [text]: 1 })],
  ['a message', () => new Error(text)],
])('does not become %s', (_, attempt) => {
  expect(attempt).toThrow(SecretKept);
  expect(new SecretKept().message).not.toContain(TEXT);
});

test.each<[string, () => string]>([
  ['an inspector', () => inspect({ secret }, { showHidden: true, depth: 9 })],
  ['an inspector with a prototype of its own', () => inspect(Object.create(secret))],
  ['an error that carries it', () => inspect(new Error('x', { cause: secret }))],
  ['a spread', () => JSON.stringify(Object.assign({}, secret))],
  ['its keys', () => Reflect.ownKeys(secret).map(String).join()],
  ['a clone', () => inspect(structuredClone({ secret }))],
  ['bytes', () => serialize({ secret }).toString('latin1')],
])('shows nothing to %s', (_, look) => {
  expect(look()).not.toContain(TEXT);
});

test('a log entry with a Secret is written without its text', () => {
  let lines = '';
  const log = pino({ level: 'trace' }, { write: (line: string) => void (lines += line) });
  log.info({ secret, deep: { secret } }, 'a careless line');
  log.info(secret, 'another');
  expect(lines).toContain('a careless line');
  expect(lines).not.toContain(TEXT);
});
