import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { Pasted, Terminal } from '../support/terminal.ts';
import { call, Newcomer, type Started } from './newcomer.ts';

export const PASSWORD = 'Correct-Horse-1';
export const PEOPLE = {
  /** Completed and invited; the address that the documents name. */
  ada: 'ada@example.com',
  /** An administrator with PASSWORD. */
  onCall: 'on-call@example.com',
  /** An administrator who has not signed in yet. */
  invited: 'invited-admin@example.com',
} as const;
type Person = keyof typeof PEOPLE;

/** Somebody who reads the documents beside `npm start`, with people whom they name and a second terminal. */
export class Reader {
  readonly newcomer: Newcomer;
  readonly #started: Started;
  readonly #terminal: Terminal;
  readonly #bearer: string;
  readonly #ids = new Map<Person, string>();

  private constructor(newcomer: Newcomer, started: Started, terminal: Terminal, bearer: string) {
    this.newcomer = newcomer;
    this.#started = started;
    this.#terminal = terminal;
    this.#bearer = bearer;
  }

  static async arrive(): Promise<Reader> {
    const newcomer = await Newcomer.arrive();
    try {
      return await Reader.#arriveWith(newcomer);
    } catch (error) {
      await newcomer.leave();
      throw error;
    }
  }

  static async #arriveWith(newcomer: Newcomer): Promise<Reader> {
    const started = await newcomer.start();
    const terminal = newcomer.openTerminal();
    const reader = new Reader(newcomer, started, terminal, await newcomer.token());
    await reader.#register('onCall', { roles: ['admin'], password: PASSWORD });
    for (const person of ['ada', 'invited'] as const) {
      await reader.#register(person, { roles: ['admin'] });
    }
    for (const person of ['ada', 'invited', 'onCall'] as const) {
      await reader.untilStatus(person, 'completed');
    }
    return reader;
  }

  async leave(): Promise<void> {
    await this.#terminal.close();
    await this.newcomer.leave();
  }

  /** In the second terminal. The ports of the documents may be taken here: `npm start` has printed
   * the ones that it took. The sandbox stands in for Cognito. */
  async paste(text: string, typed?: string): Promise<Pasted> {
    const { endpoint } = await this.newcomer.sandbox();
    const here = text
      .replaceAll('http://127.0.0.1:3000', this.#started.api)
      .replaceAll('https://registrar.example.com', this.#started.api)
      .replaceAll('http://127.0.0.1:9229', endpoint)
      .replaceAll('https://cognito-idp.$AWS_REGION.amazonaws.com', endpoint);
    return await this.#terminal.paste(here, typed);
  }

  async setVariable(name: string, value = ''): Promise<void> {
    await this.#terminal.paste(`export ${name}='${value}'`);
  }

  idOf(person: Person): string {
    return this.#ids.get(person) ?? '';
  }

  async untilStatus(person: Person, status: string): Promise<void> {
    const url = `${this.#started.api}/registrations/${this.idOf(person)}`;
    await eventually(async () => (await call(url, this.#bearer)).body['status'] === status);
  }

  async #register(person: Person, more: object = {}): Promise<void> {
    const body = { email: PEOPLE[person], roles: ['viewer'], ...more };
    const answer = await call(`${this.#started.api}/registrations`, this.#bearer, body);
    expect(answer).toMatchObject({ status: 202 });
    this.#ids.set(person, String(answer.body['id']));
  }
}
