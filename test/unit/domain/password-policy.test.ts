import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  caselessForm,
  createPasswordPolicy,
  hasPasswordCharacters,
} from '../../../src/domain/password-policy.ts';
import { commonPasswords } from '../../../src/secrets/common-passwords.ts';

const common = commonPasswords();
const composition = createPasswordPolicy('composition', common);
const length = createPasswordPolicy('length', common);
const ADA = {
  email: 'countess@example.com',
  username: 'Babbage-1',
  firstName: 'Ada',
  lastName: 'Lovelace',
};
const COMMON = 'Password is too common';
const PERSONAL = 'Password must not contain your e-mail, username or name';

describe('PASSWORD_RULES', () => {
  test.each([
    ['', 'Password must contain at least one uppercase letter'],
    ['a', 'Password must contain at least one uppercase letter'],
    ['A', 'Password must contain at least one lowercase letter'],
    ['Aa', 'Password must contain at least one digit'],
    ['Aa1', 'Password must be at least 8 characters long'],
    ['Aa1-xyz', 'Password must be at least 8 characters long'],
    ['Aa1-😀😀😀', 'Password must be at least 8 characters long'],
    ['Aa1-😀😀😀😀', null],
    ['Àé٣-xyzw', null],
    ['Analytical1', null],
  ])('composition answers the first rule that %j breaks', (password, fault) => {
    expect(composition.faultOf(password, null, ADA)).toBe(fault);
  });

  test.each([
    ['Analytical1-xy', 'Password must be at least 15 characters long'],
    ['correct horse b', null],
    ['😀'.repeat(14), 'Password must be at least 15 characters long'],
    ['😀'.repeat(15), null],
  ])('length asks for 15 code points and nothing else: %j', (password, fault) => {
    expect(length.faultOf(password, null, ADA)).toBe(fault);
  });

  test.each([composition, length])(
    'a wrong confirmation is reported before the rules ($rules)',
    (policy) => {
      expect(policy.faultOf('a', 'b', ADA)).toBe('Passwords do not match');
      expect(policy.faultOf('Analytical1 engine', 'Analytical1 engine', ADA)).toBeNull();
    },
  );

  test('every text of a policy is in its list, in the order of the checks', () => {
    expect(composition.faults).toEqual([
      'Passwords do not match',
      'Password must contain at least one uppercase letter',
      'Password must contain at least one lowercase letter',
      'Password must contain at least one digit',
      'Password must be at least 8 characters long',
      COMMON,
      PERSONAL,
    ]);
    expect(length.faults).toEqual([
      'Passwords do not match',
      'Password must be at least 15 characters long',
      COMMON,
      PERSONAL,
    ]);
  });
});

describe('common passwords', () => {
  test.each(['Password1', 'pAssw0rD', 'Ｐａｓｓｗｏｒｄ１', 'Qwerty123', 'Trustno1'])(
    '%s is too common, in any case and Unicode form',
    (password) => {
      expect(composition.faultOf(password, null, {})).toBe(COMMON);
    },
  );

  test('length refuses common passwords too', () => {
    expect(length.faultOf('PasswordPassword', null, {})).toBe(COMMON);
  });

  test('every password of the list is refused in every case', () => {
    const passwords = [...common];
    fc.assert(
      fc.property(fc.nat(passwords.length - 1), fc.infiniteStream(fc.boolean()), (index, upper) => {
        const mixed = Array.from(passwords[index] ?? '', (letter) =>
          upper.next().value ? letter.toUpperCase() : letter.toLowerCase(),
        ).join('');
        expect(composition.guessableFaultOf(mixed, {})).toBe(COMMON);
      }),
    );
  });
});

describe('personal passwords', () => {
  test.each([
    'xCountess1y',
    'Countess@Example.com1',
    'my-bABBAGE-1',
    'adA-xyzw1',
    '1Lovelace!',
    'Ｌｏｖｅｌａｃｅ１x',
  ])('%s contains e-mail, username or name', (password) => {
    expect(composition.faultOf(password, null, ADA)).toBe(PERSONAL);
    expect(length.faultOf(`${password} and more words`, null, ADA)).toBe(PERSONAL);
  });

  test('names of one or two characters are not searched for', () => {
    const owner = { email: 'al@example.com', username: null, firstName: 'Al', lastName: '王' };
    expect(composition.faultOf('Analytical1王', null, owner)).toBeNull();
    expect(composition.faultOf('Al@example.com1', null, owner)).toBe(PERSONAL);
  });

  test('a person without names may choose any password', () => {
    const nobody = { email: null, username: '', firstName: ' ', lastName: undefined };
    expect(composition.faultOf('Analytical1', null, nobody)).toBeNull();
  });

  test('a password around a name is refused, whatever the case and Unicode form of either', () => {
    const form = fc.constantFrom('NFC', 'NFD', 'NFKC', 'NFKD');
    const cased = fc.constantFrom<(text: string) => string>(
      (text) => text,
      (text) => text.toUpperCase(),
      (text) => text.toLowerCase(),
    );
    const name = fc.constantFrom(
      'Zoë',
      'Βασίλης',
      'Łukasz',
      'Weiß',
      'İpek',
      'Ångström',
      '小林さん',
    );
    fc.assert(
      fc.property(name, form, form, cased, fc.string(), (lastName, sent, kept, change, around) => {
        const password = `${around}-${change(lastName.normalize(sent))}-${around}`;
        const fault = length.guessableFaultOf(password, { lastName: lastName.normalize(kept) });
        expect(fault).toBe(PERSONAL);
      }),
    );
  });
});

test('caselessForm is the same for its own result', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(caselessForm(caselessForm(text))).toBe(caselessForm(text));
    }),
  );
});

test.each([
  ['', true],
  ['x', true],
  ['correct horse', true],
  ['a\tb', true],
  [' a', false],
  ['a ', false],
  ['a\n', false],
  ['a\nb', false],
  ['\ud800', false],
])('Cognito accepts the characters of %j: %s', (password, accepted) => {
  expect(hasPasswordCharacters(password)).toBe(accepted);
});
