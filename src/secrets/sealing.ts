import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Secret } from './secret.ts';

/**
 * How a password waits in the ledger: AES-256-GCM, the registration's id as associated data, so that
 * a seal moved to another row does not open.
 *
 *   1 byte   format, 1
 *   1 byte   length of the key's id, 1–32
 *   n bytes  the key's id, ASCII
 *  12 bytes  nonce, fresh for each seal
 *   m bytes  ciphertext of the UTF-8 text
 *  16 bytes  tag
 */
const FORMAT = 1;
const CIPHER = 'aes-256-gcm';
const ID_AT = 2;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SealingKey {
  /** 1–32 ASCII characters. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export interface Sealing {
  /** With the first key. @throws when there is none */
  seal(secret: Secret, registrationId: string): Uint8Array;
  /** With the key that sealed it. @throws SealLost */
  open(sealed: Uint8Array, registrationId: string): Secret;
}

/** `not_authentic`: changed, or sealed for another registration; GCM does not tell them apart. */
export type SealLostReason = 'unknown_format' | 'unknown_key' | 'not_authentic';

/** A seal does not open, and never will with these keys. */
export class SealLost extends Error {
  override readonly name = 'SealLost';
  /** For the log; to everybody else it is `seal_lost`. */
  readonly reason: SealLostReason;

  constructor(reason: SealLostReason) {
    super(reason);
    this.reason = reason;
  }
}

/** @param keys the first seals, all open */
export function createSealing(keys: readonly SealingKey[]): Sealing {
  return {
    seal(secret, registrationId) {
      const [first] = keys;
      if (!first) throw new Error('no key to seal with');
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, first.key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(registrationId));
      const text = cipher.update(secret.reveal(), 'utf8');
      const id = Buffer.from(first.id, 'latin1');
      const head = Buffer.of(FORMAT, id.length);
      return Buffer.concat([head, id, nonce, text, cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, registrationId) {
      const { keyId, nonce, text, tag } = partsOf(Buffer.from(sealed));
      const found = keys.find(({ id }) => id === keyId);
      if (!found) throw new SealLost('unknown_key');
      const decipher = createDecipheriv(CIPHER, found.key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(registrationId));
      decipher.setAuthTag(tag);
      try {
        return new Secret(Buffer.concat([decipher.update(text), decipher.final()]).toString());
      } catch {
        throw new SealLost('not_authentic');
      }
    },
  };
}

function partsOf(sealed: Buffer) {
  const nonceAt = ID_AT + (sealed[1] ?? 0);
  const textAt = nonceAt + NONCE_BYTES;
  const tagAt = sealed.length - TAG_BYTES;
  if (sealed[0] !== FORMAT || tagAt < textAt) throw new SealLost('unknown_format');
  return {
    keyId: sealed.toString('latin1', ID_AT, nonceAt),
    nonce: sealed.subarray(nonceAt, textAt),
    text: sealed.subarray(textAt, tagAt),
    tag: sealed.subarray(tagAt),
  };
}
