import { randomUUID } from 'node:crypto';
import {
  AdminAddUserToGroupCommand,
  AdminDisableUserCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Tokens } from '../../src/domain/session.ts';
import { createCognito } from '../../src/cognito/adapter.ts';
import { createAccounts, createDirectory } from '../../src/cognito/directory.ts';
import { createSessions } from '../../src/cognito/sessions.ts';
import { createTokenCutoffs } from '../../src/http/access/token-cutoffs.ts';
import { createTokenVerifier } from '../../src/http/access/tokens.ts';
import type { AppDeps } from '../../src/http/app.ts';
import type { ApiUnderTest } from '../integration/http/api-under-test.ts';
import { test as apiTest } from './api-on-pool-test.ts';
import { ConsoleBrowser } from './console-browser.ts';
import type { TestPool } from './cognito.ts';
import { SEALING } from './passwords.ts';
import { addPerson, PASSWORD } from './pool-people.ts';

/** The name of its cookie. */
export const COOKIE = '__Host-registrar-console';

export interface Operator {
  /** Which may do what its roles say: `admin` everything, `manager` give `researcher` and `viewer`. */
  readonly email: string;
  readonly password: string;
  readonly browser: ConsoleBrowser;
}

/** The console over a pool of the sandbox; runs are scripted, as in the API under test. */
export class ConsoleUnderTest {
  readonly api: ApiUnderTest;
  readonly pool: TestPool;
  readonly deps: AppDeps;
  readonly app: ReturnType<ApiUnderTest['app']>;

  constructor(api: ApiUnderTest, pool: TestPool, more: Partial<AppDeps> = {}) {
    const { issuer, jwksUrl, clientId } = pool;
    const { db, logger: log } = api.deps;
    const provider = createCognito(pool.client, pool.userPoolId);
    const unpaced = async () => undefined;
    const sessions = createSessions(pool.client, { clientId, clientSecret: null }, log);
    const accounts = createAccounts(provider, unpaced);
    this.api = api;
    this.pool = pool;
    this.deps = {
      ...api.deps,
      console: { sealing: SEALING },
      directory: createDirectory(provider, unpaced),
      sessions,
      accounts,
      cutoffs: createTokenCutoffs({ db, sessions, accounts, log }),
      verifyToken: createTokenVerifier({ issuer, jwksUrl, clientIds: [clientId] }),
      ...more,
    };
    this.app = api.app(this.deps);
  }

  /** The same with other dependencies, as another process. */
  with(more: Partial<AppDeps>): ConsoleUnderTest {
    return new ConsoleUnderTest(this.api, this.pool, more);
  }

  browser(): ConsoleBrowser {
    return new ConsoleBrowser(this.app);
  }

  /** The tokens of somebody who is signed in. */
  async tokensOf(email: string): Promise<Tokens> {
    const [row] = await this.api.sql<{ id: string; sealed_tokens: Uint8Array }[]>`
      SELECT id, sealed_tokens FROM console_sessions WHERE name = ${email}`;
    if (!row) throw new Error(`${email} is not signed in`);
    const tokens = JSON.parse(SEALING.open(row.sealed_tokens, row.id).reveal()) as Tokens;
    return { ...tokens, expiresAt: new Date(tokens.expiresAt) };
  }

  /** Sets columns of the session of somebody. */
  async session(email: string, columns: Record<string, unknown>): Promise<void> {
    await this.api.sql`UPDATE console_sessions SET ${this.api.sql(columns)} WHERE name = ${email}`;
  }

  /** Disables somebody in the pool, past Registrar. */
  async disable(email: string): Promise<void> {
    const named = { UserPoolId: this.pool.userPoolId, Username: email };
    await this.pool.client.send(new AdminDisableUserCommand(named));
  }

  /** Somebody with these roles, who has not signed in. */
  async person(...roles: string[]): Promise<Operator> {
    const email = await addPerson(this.pool, `operator-${randomUUID().slice(0, 8)}`);
    for (const GroupName of roles) {
      const named = { UserPoolId: this.pool.userPoolId, Username: email, GroupName };
      await this.pool.client.send(new AdminAddUserToGroupCommand(named));
    }
    return { email, password: PASSWORD, browser: this.browser() };
  }

  /** Somebody with these roles, who has signed in. */
  async operator(...roles: string[]): Promise<Operator> {
    const person = await this.person(...roles);
    const { status, html } = await person.browser.signIn(person.email, person.password);
    if (status !== 303) throw new Error(`sign-in: ${status}\n${html}`);
    return person;
  }
}

export const ENDED = '/console/sign-in?reason=ended&next=%2Fconsole%2Fsystem';

/** Where the page leads, or its status. */
export async function opens({ browser }: Pick<Operator, 'browser'>): Promise<string | number> {
  const { status, location } = await browser.get('/console/system');
  return location ?? status;
}

/** The sessions of somebody. */
export async function rowsOf(site: ConsoleUnderTest, email: string): Promise<number> {
  return (await site.api.sql`SELECT FROM console_sessions WHERE name = ${email}`).length;
}

/** With `site`, the console of this file, and two people who are signed in to it: `administrator`, and
 * `manager`, who may give the roles `researcher` and `viewer` only. */
export const test = apiTest
  .extend('site', { scope: 'file' }, ({ api, pool }) => new ConsoleUnderTest(api, pool))
  .extend('administrator', async ({ site }) => await site.operator('admin'))
  .extend('manager', async ({ site }) => await site.operator('manager'));
