import { inspect } from 'node:util';

/** Somebody would have written a secret where it stays readable. */
export class SecretKept extends TypeError {
  override readonly name = 'SecretKept';

  constructor() {
    super('a secret is neither text nor JSON');
  }
}

/**
 * A text that nobody passes on by accident: it does not serialise, does not join other text, shows
 * nothing to an inspector, and a clone of it is empty. JSON and text throw, since a redacted password
 * would be set as somebody's password.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The one way out; test/unit/architecture/secrets.test.ts lists who calls it. */
  reveal(): string {
    return this.#text;
  }

  /** The text in NFC; null if it has that form already. */
  inNfc(): Secret | null {
    const normalised = this.#text.normalize('NFC');
    return normalised === this.#text ? null : new Secret(normalised);
  }

  toJSON(): never {
    throw new SecretKept();
  }

  toString(): never {
    throw new SecretKept();
  }

  [Symbol.toPrimitive](): never {
    throw new SecretKept();
  }

  [inspect.custom](): string {
    return 'Secret';
  }
}
