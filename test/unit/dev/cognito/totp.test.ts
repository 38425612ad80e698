import { expect, test } from 'vitest';
import { fitsTotp, newTotpSecret, totpAt } from '../../../../dev/cognito/totp.ts';

// RFC 6238, appendix B: "12345678901234567890" in base32; the last six of its eight digits.
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

test.each([
  [59, '287082'],
  [1_111_111_109, '081804'],
  [20_000_000_000, '353130'],
])('the code at second %s is the one of RFC 6238', (seconds, code) => {
  expect(totpAt(SECRET, seconds * 1000)).toBe(code);
});

test('a code fits one step earlier and later, and no further', () => {
  const now = 1_700_000_000_000;
  const secret = newTotpSecret();
  for (const shift of [-30_000, 0, 30_000]) {
    expect(fitsTotp(secret, totpAt(secret, now + shift), now)).toBe(true);
  }
  expect(fitsTotp(SECRET, totpAt(SECRET, now + 90_000), now)).toBe(false);
});
