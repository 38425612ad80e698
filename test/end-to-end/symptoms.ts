import { randomBytes, randomUUID } from 'node:crypto';
import { AdminCreateUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { sandboxClient } from '../../dev/cognito/client.ts';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { eventually } from '../support/eventually.ts';
import type { Pasted, Terminal } from '../support/terminal.ts';
import { call, Newcomer, type Started } from './newcomer.ts';

export const PASSWORD = 'Correct-Horse-1';
export const PEOPLE = {
  /** Completed and invited; the address that the documents name. */
  ada: 'ada@example.com',
  parked: 'parked@example.com',
  cleanup: 'cleanup@example.com',
  fails: 'fails@example.com',
  /** An administrator with PASSWORD. */
  onCall: 'on-call@example.com',
  /** An administrator who has not signed in yet. */
  invited: 'invited-admin@example.com',
} as const;
type Person = keyof typeof PEOPLE;

const operation = 'AdminAddUserToGroup';
const unavailable = { kind: 'server' };
const gone = { kind: 'error', error: 'ResourceNotFoundException' };
const PARKS = { operation, match: { email: PEOPLE.parked }, fault: unavailable };
const FAILS = { operation, match: { email: PEOPLE.fails }, fault: gone };
export const NO_CLEANUP = [
  { operation, match: { email: PEOPLE.cleanup }, fault: gone },
  { operation: 'AdminDeleteUser', match: { email: PEOPLE.cleanup }, fault: unavailable },
];

/** `npm start` with registrations that show the runbook's symptoms, and a second terminal. */
export class Symptoms {
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

  static async arise(): Promise<Symptoms> {
    const newcomer = await Newcomer.arrive();
    try {
      return await Symptoms.#ariseFor(newcomer);
    } catch (error) {
      await newcomer.leave();
      throw error;
    }
  }

  static async #ariseFor(newcomer: Newcomer): Promise<Symptoms> {
    const env = {
      // Nothing listens there: events are late.
      EVENTS_WEBHOOK_URL: `http://127.0.0.1:${await anyFreePort()}/`,
      EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
      RETRY_BUDGET_SECONDS: '1',
      COMPENSATION_BUDGET_SECONDS: '1',
      PROPAGATION_GRACE_SECONDS: '1',
      SWEEP_INTERVAL_SECONDS: '5',
      RESUME_INTERVAL_SECONDS: '3600',
    };
    const started = await newcomer.start([], env);
    const terminal = newcomer.openTerminal(env);
    const symptoms = new Symptoms(newcomer, started, terminal, await newcomer.token());
    await symptoms.setFaults([PARKS, FAILS, ...NO_CLEANUP]);
    for (const person of ['parked', 'cleanup', 'fails'] as const) await symptoms.#register(person);
    await symptoms.#register('onCall', { roles: ['admin'], password: PASSWORD });
    for (const person of ['ada', 'invited'] as const) {
      await symptoms.#register(person, { roles: ['admin'] });
    }
    await symptoms.#createOrphan();
    for (const person of ['ada', 'invited', 'onCall'] as const) {
      await symptoms.untilStatus(person, 'completed');
    }
    await symptoms.untilStatus('fails', 'failed');
    await symptoms.untilStatus('parked', 'roles_pending');
    await symptoms.untilStatus('cleanup', 'cleanup_required');
    return symptoms;
  }

  async end(): Promise<void> {
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

  async setFaults(rules: readonly object[]): Promise<void> {
    const { code, output } = await this.newcomer.npm('run', 'faults', '--', JSON.stringify(rules));
    expect({ code, output }).toMatchObject({ code: 0 });
  }

  idOf(person: Person): string {
    return this.#ids.get(person) ?? '';
  }

  async untilStatus(person: Person, status: string): Promise<void> {
    const url = `${this.#started.api}/registrations/${this.idOf(person)}`;
    await eventually(async () => (await call(url, this.#bearer)).body['status'] === status);
  }

  /** A change of Ada that parks, and one that waits behind it. */
  async parkChange(): Promise<void> {
    const fault = { operation: 'AdminUserGlobalSignOut', fault: unavailable };
    await this.setFaults([fault]);
    const url = `${this.#started.api}/registrations/${this.idOf('ada')}`;
    const { userId } = (await call(url, this.#bearer)).body;
    for (const name of ['sign-out', 'enable']) {
      const change = `${this.#started.api}/users/${String(userId)}/${name}`;
      expect(await call(change, this.#bearer, {})).toMatchObject({ status: 202 });
    }
    await this.untilChanges('parked', 1);
  }

  async untilChanges(status: string, count: number): Promise<void> {
    const url = `${this.#started.api}/changes?status=${status}`;
    await eventually(async () => (await call(url, this.#bearer)).body['total'] === count);
  }

  /** Asynchronous sign-up for an address that is taken. */
  async signUpAgain(): Promise<void> {
    const person = { email: PEOPLE.ada, username: 'ada', first_name: 'Ada', last_name: 'Lovelace' };
    const answer = await fetch(`${this.#started.api}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'respond-async' },
      body: JSON.stringify({ ...person, password: PASSWORD }),
    });
    expect(answer.status).toBe(202);
  }

  async #register(person: Person, more: object = {}): Promise<void> {
    const body = { email: PEOPLE[person], roles: ['viewer'], ...more };
    const answer = await call(`${this.#started.api}/registrations`, this.#bearer, body);
    expect(answer).toMatchObject({ status: 202 });
    this.#ids.set(person, String(answer.body['id']));
  }

  /** A user whose mark names no registration, as after a restore of the database. */
  async #createOrphan(): Promise<void> {
    const { endpoint, UserPoolId } = await this.newcomer.sandbox();
    const pool = sandboxClient(endpoint);
    const Username = 'orphan@example.com';
    const UserAttributes = [
      { Name: 'email', Value: Username },
      { Name: 'custom:registration_id', Value: randomUUID() },
    ];
    const user = { UserPoolId, Username, UserAttributes, MessageAction: 'SUPPRESS' } as const;
    await pool.send(new AdminCreateUserCommand(user));
    pool.destroy();
  }
}
