import { expect, test } from 'vitest';
import { sourcesOf, withoutComments, type SourceFile } from './source.ts';

/** Who takes the text out of a Secret, and what for. */
const REVEALERS: Readonly<Record<string, string>> = {
  'src/secrets/sealing.ts': 'to seal it',
  'src/http/console/sessions.ts': 'the tokens of a session, to call the API',
  'src/cognito/adapter.ts': 'in the call to Cognito',
  'src/cognito/sessions.ts': 'the same, to sign in',
  'src/cognito/sign-in-flow.ts': 'the same, for the first password',
  'src/cognito/own-account.ts': 'the same, to change the password',
  'src/cognito/password-recovery.ts': 'the same, to reset the password',
};
const PRODUCT = ['src', 'workflows', 'activities', 'worker', 'cli', 'dev'];

/** `reveal` by any name of its object, called, handed on or taken apart. */
function reveals({ path, text }: SourceFile): boolean {
  return path !== 'src/secrets/secret.ts' && /\breveal\b/.test(withoutComments(text));
}

test('the text of a Secret is revealed only in the listed files', async () => {
  const found = (await sourcesOf(...PRODUCT)).filter(reveals).map(({ path }) => path);
  expect(found.toSorted()).toEqual(Object.keys(REVEALERS).toSorted());
});

test('the AWS SDK has no logger, which would write whole requests', async () => {
  const { text } = (await sourcesOf('src')).find(
    ({ path }) => path === 'src/cognito/adapter.ts',
  ) ?? { text: 'logger' };
  expect(text).not.toMatch(/\blogger\b/);
});

test.each([
  'password.reveal()',
  'password?.reveal()',
  "password['reveal']()",
  'const { reveal } = password;',
])('the check reports %s', (text) => {
  expect(reveals({ path: 'src/http/new.ts', text })).toBe(true);
});
