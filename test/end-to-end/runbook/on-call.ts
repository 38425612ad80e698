import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type Api, Deployment } from '../../support/deployment.ts';
import { REPOSITORY } from '../../support/program.ts';
import { shellBlocksOf } from '../../support/shell-blocks.ts';
import type { Pasted, Terminal } from '../../support/terminal.ts';
import { type Expectation, testBlocks } from '../pasted-blocks.ts';

const RUNBOOK = await readFile(`${REPOSITORY}docs/runbook.md`, 'utf8');
const BLOCKS = shellBlocksOf(RUNBOOK);
const SOON_MS = 60_000;
const SHORT = {
  RETRY_BUDGET_SECONDS: '1',
  COMPENSATION_BUDGET_SECONDS: '1',
  PROPAGATION_GRACE_SECONDS: '1',
  // Nothing of what waits resumes without the operator.
  RESUME_INTERVAL_SECONDS: '3600',
};

export type Env = Readonly<Record<string, string>>;

/** An operator with the runbook, a terminal and a deployment whose parts can be broken. */
export class OnCall {
  readonly deployment: Deployment;
  readonly database: TestDatabase;
  #api: Api;
  readonly #terminal: Terminal;
  readonly #faults = new Map<string, readonly Rule[]>();

  private constructor(
    deployment: Deployment,
    database: TestDatabase,
    api: Api,
    terminal: Terminal,
  ) {
    this.deployment = deployment;
    this.database = database;
    this.#api = api;
    this.#terminal = terminal;
  }

  static async arrive(env: Env = {}, temporalAddress?: string): Promise<OnCall> {
    const database = await createTestDatabase();
    const deployment = await Deployment.make({
      database,
      ...(temporalAddress !== undefined && { temporalAddress }),
      env: {
        // Its metrics are at the port of the API, and a webhook may be on this machine.
        ENVIRONMENT: 'local',
        DOORS: 'signup,session',
        REGISTER_LIMIT_PER_MINUTE: '1000',
        PASSWORD_SEALING_KEYS: `k1:${randomBytes(32).toString('base64')}`,
        ...SHORT,
        ...env,
      },
    });
    await deployment.setUp();
    const api = await deployment.api();
    const onCall = new OnCall(deployment, database, api, deployment.openTerminal());
    await onCall.type('API', api.url);
    await onCall.type('TOKEN', deployment.token);
    await onCall.paste(BLOCKS.find(({ name }) => name === 'Get a token (2)')?.text ?? '');
    return onCall;
  }

  async leave(): Promise<void> {
    await this.#terminal.close();
    await this.deployment.stop();
    await this.database.drop();
  }

  /** The API process again, with other settings, which the terminal gets too. */
  async restart(env: Env): Promise<void> {
    await this.#api.kill();
    this.#api = await this.deployment.api(env);
    await this.type('API', this.#api.url);
    for (const [name, value] of Object.entries(env)) await this.type(name, value);
  }

  get url(): string {
    return this.#api.url;
  }

  async paste(text: string, typed?: string): Promise<Pasted> {
    return await this.#terminal.paste(
      text.replaceAll('http://127.0.0.1:3000', this.#api.url),
      typed,
    );
  }

  /** Sets a variable of the terminal, as the reader does who puts in an id or an address. */
  async type(name: string, value: string): Promise<void> {
    await this.#terminal.paste(`export ${name}='${value}'`);
  }

  /** Adds a fault to the plan of the pool. */
  async breaks(name: string, ...rules: readonly Rule[]): Promise<void> {
    this.#faults.set(name, rules);
    await this.deployment.pool.setFaults([...this.#faults.values()].flat());
  }

  /** The cause is gone. */
  async mends(name: string): Promise<void> {
    this.#faults.delete(name);
    await this.deployment.pool.setFaults([...this.#faults.values()].flat());
  }

  async call(method: string, path: string, body?: unknown) {
    return await this.deployment.call(this.#api, method, path, body);
  }

  /** Waits until steps wait for a call of a quota. */
  async untilQueued(quota: string): Promise<void> {
    const queued = async () => {
      const { body } = await this.call('GET', '/overview');
      const quotas = body['quotas'] as { name: string; queued: number }[];
      return quotas.find(({ name }) => name === quota)?.queued;
    };
    await expect.poll(queued, { timeout: SOON_MS }).toBeGreaterThan(0);
  }

  /** @returns the id */
  async register(email: string, more: object = {}): Promise<string> {
    const body = { email, roles: ['viewer'], invite: false, ...more };
    const answer = await this.call('POST', '/registrations', body);
    expect(answer).toMatchObject({ status: 202 });
    return String(answer.body['id']);
  }

  async until(id: string, status: string, of: 'registrations' | 'changes' = 'registrations') {
    return (await this.deployment.untilStatus(this.#api, id, status, SOON_MS, of)).body;
  }

  /** @returns id and sub of somebody who is registered */
  async registered(email: string, more: object = {}) {
    const id = await this.register(email, more);
    const { userId } = await this.until(id, 'completed');
    return { id, userId: String(userId) };
  }

  /** Who has the address in the pool. */
  async inPool(email: string) {
    return (await this.deployment.users()).filter((user) => user.email === email);
  }

  logs(): string {
    return this.#api.output();
  }
}

/** The blocks of these sections, one test each, in the order of the runbook. */
export function testSections(
  sections: readonly string[],
  expectations: Readonly<Record<string, Expectation>>,
  onCall: () => OnCall,
): void {
  const paste = ({ text }: { readonly text: string }, typed: string | undefined) =>
    onCall().paste(text, typed);
  testBlocks('docs/runbook.md', RUNBOOK, expectations, paste, sections);
}

/** The headings that have shell blocks. */
export const SECTIONS = [...new Set(BLOCKS.map(({ name }) => name.replace(/ \(\d+\)$/, '')))];

/** The line of a registration or change in a list, or the first line of its receipt. */
export const line = (id: string, words: string): unknown =>
  expect.stringMatching(new RegExp(`^${id} ${words}`, 'm'));
