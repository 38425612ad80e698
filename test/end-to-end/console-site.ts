import { randomBytes } from 'node:crypto';
import {
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  UserNotFoundException,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Rule } from '../../dev/cognito/fault-plan.ts';
import type { TestPool } from '../support/cognito.ts';
import { Deployment, type Api } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { lastCode } from '../support/pool-people.ts';
import { CONSOLE_ENV } from './operator.ts';

/** Whom `npm run setup -- --admin` invites. */
export const FIRST_ADMIN = 'first.admin@example.com';

interface Row {
  readonly event: string;
  readonly actor: string;
  readonly details: Readonly<Record<string, unknown>>;
}

interface OutboxState {
  readonly destination: string;
  readonly pending: number;
  readonly lastError: string | null;
}

/** A deployment with the console on, a webhook, and a first administrator who was invited. Its worker is
 * a process of its own. */
export class ConsoleSite {
  readonly deployment: Deployment;
  readonly api: Api;
  readonly webhook: Receiver;
  /** What the webhook's server answers. */
  readonly webhookAnswer: { status: number };

  private constructor(
    deployment: Deployment,
    api: Api,
    webhook: Receiver,
    webhookAnswer: { status: number },
  ) {
    this.deployment = deployment;
    this.api = api;
    this.webhook = webhook;
    this.webhookAnswer = webhookAnswer;
  }

  /** @param prepare changes the pool before anything has read it */
  static async open(
    prepare: (pool: TestPool) => Promise<unknown> = async () => undefined,
  ): Promise<ConsoleSite> {
    const webhookAnswer = { status: 204 };
    const webhook = await startReceiver((response) => {
      // What is refused is not tried again by itself while a test runs.
      const headers = webhookAnswer.status === 503 ? { 'retry-after': '3600' } : {};
      response.writeHead(webhookAnswer.status, headers).end();
    });
    const deployment = await Deployment.make({
      env: {
        ...CONSOLE_ENV,
        IN_PROCESS_WORKER: 'false',
        EVENTS_WEBHOOK_URL: webhook.url,
        EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
      },
    });
    await prepare(deployment.pool);
    const { code, output } = await deployment.command('cli/setup/main.ts', {}, [
      '--admin',
      FIRST_ADMIN,
    ]);
    if (code !== 0) throw new Error(`setup: ${output}`);
    return new ConsoleSite(deployment, await deployment.api(), webhook, webhookAnswer);
  }

  async close(): Promise<void> {
    await this.deployment.stop();
    await this.webhook.close();
  }

  get pool() {
    return this.deployment.pool;
  }

  /** The temporary password that was mailed to somebody. */
  async mailed(to: string): Promise<string> {
    await eventually(async () => (await lastCode(this.pool, to)) !== '');
    return await lastCode(this.pool, to);
  }

  async setFaults(...rules: readonly Rule[]): Promise<void> {
    await this.pool.setFaults(rules);
  }

  /** Somebody's account in the pool, with its roles; null: there is none. */
  async account(
    Username: string,
  ): Promise<{ userId: string; enabled: boolean; roles: string[] } | null> {
    const whom = { UserPoolId: this.pool.userPoolId, Username };
    try {
      const user = await this.pool.client.send(new AdminGetUserCommand(whom));
      const { Groups = [] } = await this.pool.client.send(new AdminListGroupsForUserCommand(whom));
      const sub = user.UserAttributes?.find(({ Name }) => Name === 'sub')?.Value ?? '';
      const roles = Groups.map(({ GroupName = '' }) => GroupName);
      return { userId: sub, enabled: user.Enabled === true, roles };
    } catch (error) {
      if (error instanceof UserNotFoundException) return null;
      throw error;
    }
  }

  /** Registers somebody by the API, as another administrator. @returns the id */
  async register(email: string, roles: readonly string[] = ['viewer']): Promise<string> {
    const answer = await this.deployment.call(this.api, 'POST', '/registrations', { email, roles });
    if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
    return String(answer.body['id']);
  }

  async untilStatus(id: string, status: string): Promise<void> {
    await this.deployment.untilStatus(this.api, id, status, 60_000);
  }

  /** How many registrations have a status. */
  async count(status: string): Promise<unknown> {
    const path = `/registrations?status=${status}&limit=1`;
    return (await this.deployment.call(this.api, 'GET', path)).body['total'];
  }

  /** What the audit trail has of a name, newest first. */
  async trail(event: string): Promise<readonly Row[]> {
    const path = `/audit-events?event=${event}&limit=100`;
    const { body } = await this.deployment.call(this.api, 'GET', path);
    return body['items'] as readonly Row[];
  }

  /** What a registration's own trail says. */
  async timeline(id: string): Promise<readonly Row[]> {
    const { body } = await this.deployment.call(this.api, 'GET', `/registrations/${id}`);
    return body['timeline'] as readonly Row[];
  }

  async waitingDeliveries(destination: string): Promise<number | undefined> {
    return (await this.#outbox(destination))?.pending;
  }

  async lastError(destination: string): Promise<string | null> {
    return (await this.#outbox(destination))?.lastError ?? null;
  }

  async #outbox(destination: string): Promise<OutboxState | undefined> {
    const { body } = await this.deployment.call(this.api, 'GET', '/overview');
    const states = body['outbox'] as readonly OutboxState[];
    return states.find((state) => state.destination === destination);
  }
}
