import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normaliseEmail } from '../../../src/domain/email.ts';

const local = (octets: number) => 'a'.repeat(octets);
/** A domain of exactly so many octets, of labels that are long enough. */
const domain = (octets: number) => `${`${local(60)}.`.repeat(5).slice(0, octets - 3)}.de`;

describe('normaliseEmail', () => {
  test.each([
    ['Ada@Example.COM', 'ada@example.com'],
    ['  ada@example.com\n', 'ada@example.com'],
    ["o'neil+tag/dept=1@sub.example.co.uk", "o'neil+tag/dept=1@sub.example.co.uk"],
    ['a@b.cd', 'a@b.cd'],
    ['1@1-1.example', '1@1-1.example'],
    [`${local(64)}@example.com`, `${local(64)}@example.com`],
    ['x@xn--bcher-kva.example', 'x@xn--bcher-kva.example'],
  ])('%s is %s', (text, email) => {
    expect(normaliseEmail(text)).toBe(email);
  });

  test.each([
    '',
    '@',
    'ada',
    'ada@',
    '@example.com',
    'ada@example',
    'ada@@example.com',
    'ada@example..com',
    'ada@.example.com',
    'ada@example.com.',
    '.ada@example.com',
    'ada.@example.com',
    'a..da@example.com',
    'a da@example.com',
    'ada@exa mple.com',
    '"ada"@example.com',
    'ada@[127.0.0.1]',
    'ada@-example.com',
    'ada@example-.com',
    'ada@example.c',
    'ada@example.com,bob@example.com',
    'Ada <ada@example.com>',
    'ada\u0000@example.com',
    'ada\r\nbcc: x@example.com',
    'адa@example.com',
    'ada@exämple.com',
    '\u212Aate@example.com',
    'ada@\u212Aate.com',
    'ada@\u017Fun.com',
    `${local(65)}@example.com`,
    `ada@${local(64)}.com`,
    `${local(400)}@example.com`,
    `${'a@'.repeat(200)}example.com`,
  ])('%j is no address', (text) => {
    expect(normaliseEmail(text)).toBeNull();
  });

  test('128 octets are an address, 129 are none', () => {
    const longest = `ada@${domain(124)}`;
    expect(longest).toHaveLength(128);
    expect(normaliseEmail(longest)).toBe(longest);
    expect(normaliseEmail(`x${longest}`)).toBeNull();
  });

  test('normalising an address is idempotent and ignores its case', () => {
    fc.assert(
      fc.property(fc.emailAddress(), (address) => {
        const once = normaliseEmail(address);
        fc.pre(once !== null);
        expect(normaliseEmail(once)).toBe(once);
        expect(normaliseEmail(address.toUpperCase())).toBe(once);
      }),
    );
  });

  test('an address made to take long is refused quickly', () => {
    const hostile = `${'a.'.repeat(30)}@${'a-'.repeat(90)}!`;
    const began = performance.now();
    for (let round = 0; round < 100; round += 1) expect(normaliseEmail(hostile)).toBeNull();
    expect(performance.now() - began).toBeLessThan(500);
  });

  test('normalising never throws, and its result has one @ and no space or control character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.emailAddress(), (noise, address) => {
        for (const text of [noise, address + noise, noise + address]) {
          const email = normaliseEmail(text) ?? 'none@example.com';
          expect(email).toMatch(/^[!-?A-~]+@[!-?A-~]+$/);
        }
      }),
    );
  });
});
