import { randomBytes, randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSealing, SealLost, type SealingKey } from '../../../src/secrets/sealing.ts';
import { Secret } from '../../../src/secrets/secret.ts';

const keyOf = (id: string): SealingKey => ({ id, key: randomBytes(32) });
const OLD = keyOf('2026-01');
const NEW = keyOf('2026-02');
const ID = randomUUID();
const password = new Secret('pässwörd 🔑');
const sealing = createSealing([OLD]);
/** `hunter2`, sealed by the first version. */
const FROZEN = 'AQFrW0RmI5UZjG4lJhL0DAMoMwyxFFI1VQ9qcxAHYj+yznVu6wc=';

function reasonOf(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    if (error instanceof SealLost) return error.reason;
    throw error;
  }
  return 'opened';
}

test('a sealed password opens to the same text, whatever it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 256 }), fc.uuid(), (text, id) => {
      expect(sealing.open(sealing.seal(new Secret(text), id), id).reveal()).toBe(text);
    }),
  );
});

test('a sealed password has the documented layout: format, key id, nonce, ciphertext, tag', () => {
  const sealed = Buffer.from(sealing.seal(password, ID));
  const bytes = Buffer.byteLength(password.reveal());
  expect([...sealed.subarray(0, 2)]).toEqual([1, 7]);
  expect(sealed.subarray(2, 9).toString()).toBe('2026-01');
  expect(sealed).toHaveLength(2 + 7 + 12 + bytes + 16);
  expect(sealed.includes(Buffer.from(password.reveal()))).toBe(false);
});

test('a sealed password of an earlier version opens', () => {
  const kept = createSealing([{ id: 'k', key: Buffer.alloc(32, 7) }]);
  const yesterday = Buffer.from(FROZEN, 'base64');
  expect(kept.open(yesterday, '00000000-0000-4000-8000-000000000000').reveal()).toBe('hunter2');
});

test('no two seals of one password share a nonce', () => {
  const nonces = Array.from({ length: 500 }, () =>
    Buffer.from(sealing.seal(password, ID)).subarray(9, 21).toString('hex'),
  );
  expect(new Set(nonces).size).toBe(500);
});

test('a seal of one registration opens for no other', () => {
  const sealed = sealing.seal(password, ID);
  expect(reasonOf(() => sealing.open(sealed, randomUUID()))).toBe('not_authentic');
});

test('a sealed password with one changed bit does not open', () => {
  const sealed = sealing.seal(password, ID);
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const changed = Uint8Array.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(reasonOf(() => sealing.open(changed, ID))).not.toBe('opened');
  }
});

test('a seal that was cut short does not open', () => {
  const sealed = sealing.seal(password, ID);
  for (let length = 0; length < sealed.length; length += 1) {
    expect(reasonOf(() => sealing.open(sealed.subarray(0, length), ID))).not.toBe('opened');
  }
});

test('opening arbitrary bytes ends with SealLost', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(reasonOf(() => sealing.open(bytes, ID))).not.toBe('opened');
    }),
  );
});

test('after a rotation the new key seals, and the old one opens until it is removed', () => {
  const before = createSealing([OLD]).seal(password, ID);
  const both = createSealing([NEW, OLD]);
  expect(both.open(before, ID).reveal()).toBe(password.reveal());
  const after = both.seal(password, ID);
  const rotated = createSealing([NEW]);
  expect(rotated.open(after, ID).reveal()).toBe(password.reveal());
  expect(reasonOf(() => rotated.open(before, ID))).toBe('unknown_key');
});

test('another key under the same id does not open, and without keys nothing is sealed', () => {
  const sealed = sealing.seal(password, ID);
  const other = createSealing([{ ...OLD, key: randomBytes(32) }]);
  expect(reasonOf(() => other.open(sealed, ID))).toBe('not_authentic');
  expect(() => createSealing([]).seal(password, ID)).toThrow('no key');
});
