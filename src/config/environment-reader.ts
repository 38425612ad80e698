/** Raw environment: an empty text counts as not set. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>;

/** A longer quote of a bad value would not help to find it. */
const MAX_QUOTED = 100;

/** A value for a message: truncated, on one line. */
export function quoted(value: string): string {
  return JSON.stringify(value.slice(0, MAX_QUOTED));
}

/**
 * Reads single values and collects their errors, so that one start reports every bad variable.
 * For a bad value, a reader returns a harmless replacement.
 */
export class EnvironmentReader {
  readonly #env: RawEnvironment;
  readonly #defaults: RawEnvironment;
  readonly #problems = new Map<string, string>();

  constructor(env: RawEnvironment, defaults: RawEnvironment) {
    this.#env = env;
    this.#defaults = defaults;
  }

  /** One line per bad variable: `NAME: what is wrong`. */
  get lines(): string[] {
    return [...this.#problems].map(([name, problem]) => `${name}: ${problem}`);
  }

  /** Only the first problem of a variable counts. */
  refuse(name: string, problem: string): void {
    if (!this.#problems.has(name)) this.#problems.set(name, problem);
  }

  optional(name: string): string | null {
    const value = this.#env[name]?.trim();
    return value ? value : (this.#defaults[name] ?? null);
  }

  required(name: string): string {
    const value = this.optional(name);
    if (value === null) this.refuse(name, 'missing');
    return value ?? '';
  }

  integer(name: string, least: number, most: number): number {
    const text = this.required(name);
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      this.refuse(name, `must be a whole number from ${least} to ${most}, not ${quoted(text)}`);
      return least;
    }
    return value;
  }

  choice<T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const text = this.required(name);
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      this.refuse(name, `must be one of ${choices.join(', ')}, not ${quoted(text)}`);
    }
    return found ?? choices[0];
  }

  /** Comma separated; blanks around the parts do not count. */
  list(name: string): string[] {
    return (this.optional(name) ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }

  /** Never quotes the value: a URL may hold a password. */
  url(name: string, protocols: readonly string[]): string | null {
    const text = this.optional(name);
    if (text === null) return null;
    const url = URL.parse(text);
    if (url === null || !protocols.includes(url.protocol)) {
      this.refuse(
        name,
        `must be a URL that begins with ${protocols.map((one) => `${one}//`).join(' or ')}`,
      );
    }
    return text.replace(/\/+$/, '');
  }
}
