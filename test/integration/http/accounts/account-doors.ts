import { AdminDisableUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { createAccounts } from '../../../../src/cognito/directory.ts';
import { createCognito } from '../../../../src/cognito/adapter.ts';
import { createSessions } from '../../../../src/cognito/sessions.ts';
import type { AppDeps } from '../../../../src/http/app.ts';
import { createTokenVerifier } from '../../../../src/http/access/tokens.ts';
import type { TestPool } from '../../../support/cognito.ts';
import type { Answer, ApiUnderTest } from '../api-under-test.ts';
import { createSignedUp, type SignedUp } from '../signed-up.ts';

export const PASSWORD = 'Analytical1';
export const NEXT_PASSWORD = 'Difference-22';

/** The session door over the sandbox. */
export class AccountDoors {
  readonly api: ApiUnderTest;
  readonly pool: TestPool;
  readonly #app: ReturnType<ApiUnderTest['app']>;

  constructor(api: ApiUnderTest, pool: TestPool, more: Partial<AppDeps> = {}) {
    const { issuer, jwksUrl, clientId } = pool;
    const provider = createCognito(pool.client, pool.userPoolId);
    this.api = api;
    this.pool = pool;
    this.#app = api.app({
      doors: new Set(['session', 'signup']),
      sessions: createSessions(pool.client, { clientId, clientSecret: null }, api.deps.logger),
      accounts: createAccounts(provider, async () => undefined),
      verifyToken: createTokenVerifier({ issuer, jwksUrl, clientIds: [clientId] }),
      ...more,
    });
  }

  async call(
    method: string,
    path: string,
    json?: unknown,
    token: string | null = null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return await this.api.call(path, { method, json, token, headers, app: this.#app });
  }

  async post(path: string, json?: unknown, token: string | null = null): Promise<Answer> {
    return await this.call('POST', path, json, token);
  }

  async login(username: string, password = PASSWORD): Promise<Answer> {
    return await this.post('/auth/login', { username, password });
  }

  async accessToken(username: string, password = PASSWORD): Promise<string> {
    return (await this.login(username, password)).body.access_token;
  }

  /** The code of the last mail to an address. */
  async codeFor(email: string): Promise<string> {
    await this.api.settled();
    return (await this.pool.mail()).findLast(({ to }) => to === email)?.code ?? '';
  }

  async mailsTo(email: string): Promise<number> {
    await this.api.settled();
    return (await this.pool.mail()).filter(({ to }) => to === email).length;
  }

  /** Names of the audit events of a registration, oldest first. */
  async events(registrationId: string): Promise<string[]> {
    const rows = await this.api.sql<{ event: string }[]>`SELECT event FROM audit_events
      WHERE registration_id = ${registrationId} ORDER BY seq`;
    return rows.map(({ event }) => event);
  }

  /** Kinds of what others are told about a registration, in the order of their sequence. */
  async told(registrationId: string): Promise<string[]> {
    const rows = await this.api.sql<{ kind: string }[]>`SELECT kind FROM outbox
      WHERE registration_id = ${registrationId} AND kind LIKE 'user.%' ORDER BY sequence`;
    return rows.map(({ kind }) => kind);
  }

  async isProved(registrationId: string): Promise<boolean> {
    const [row] = await this.api.sql<{ email_verified: boolean }[]>`
      SELECT email_verified FROM registrations WHERE id = ${registrationId}`;
    return row?.email_verified ?? false;
  }

  known(): Promise<SignedUp> {
    return createSignedUp(this.api, this.pool, PASSWORD);
  }

  invited(): Promise<SignedUp> {
    return createSignedUp(this.api, this.pool, PASSWORD, false);
  }

  unproved(): Promise<SignedUp> {
    return createSignedUp(this.api, this.pool, PASSWORD, true, false);
  }

  async disabled(): Promise<SignedUp> {
    const person = await this.known();
    const at = { UserPoolId: this.pool.userPoolId, Username: person.email };
    await this.pool.client.send(new AdminDisableUserCommand(at));
    return person;
  }
}
