import { randomUUID } from 'node:crypto';
import {
  type CognitoIdentityProviderClient,
  DeleteUserPoolCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { inject } from 'vitest';
import { sandboxClient } from '../../dev/cognito/client.ts';
import type { Rule } from '../../dev/cognito/fault-plan.ts';
import { makePool } from '../../dev/cognito/pool.ts';
import type { Mail } from '../../dev/cognito/mailbox.ts';
import type { CallCount, CallTime } from '../../dev/cognito/pool-record.ts';

export interface TestPool {
  readonly endpoint: string;
  readonly region: string;
  readonly userPoolId: string;
  readonly clientId: string;
  /** What tokens of this pool name, and where their keys are. */
  readonly issuer: string;
  readonly jwksUrl: string;
  /** With its retries off, as ours has. */
  readonly client: CognitoIdentityProviderClient;
  /** Replaces the fault plan of this pool; its counters begin anew. */
  setFaults(rules: readonly Rule[]): Promise<void>;
  clearFaults(): Promise<void>;
  /** Calls by operation: how many came, and how many took effect. */
  calls(): Promise<Record<string, CallCount>>;
  /** When calls of these operations came, in order; milliseconds since the epoch. */
  callTimes(...operations: string[]): Promise<number[]>;
  clearCalls(): Promise<void>;
  /** How many requests without a reply are still to take effect. */
  late(): Promise<number>;
  /** What was mailed, the oldest first. */
  mail(): Promise<Mail[]>;
  /** Sets the pool's clock forward: codes, sessions of challenges, temporary passwords, tokens and quotas
   * per hour end by it. */
  advanceClock(seconds: number): Promise<void>;
  /** The time of the pool's clock, in milliseconds since the epoch. */
  now(): Promise<number>;
  /** An access token signed by this pool; `claims` go over the usual ones (30 minutes, our client). */
  token(claims?: Record<string, unknown>): Promise<string>;
  remove(): Promise<void>;
}

/** Makes a pool with client and roles of its own; `remove` it at the end. */
export async function createTestPool(): Promise<TestPool> {
  const endpoint = inject('cognitoEndpoint');
  const client = sandboxClient(endpoint);
  const { userPoolId, clientId } = await makePool(client, `test-${randomUUID()}`);
  const control = async (method: string, what: string, body?: unknown): Promise<unknown> => {
    const reply = await fetch(`${endpoint}/_sandbox/${what}?pool=${userPoolId}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = reply.status === 204 ? undefined : await reply.json();
    if (!reply.ok) throw new Error(`sandbox ${method} ${what}: ${JSON.stringify(answer)}`);
    return answer;
  };
  return {
    endpoint,
    region: inject('cognitoRegion'),
    userPoolId,
    clientId,
    issuer: `${endpoint}/${userPoolId}`,
    jwksUrl: `${endpoint}/${userPoolId}/.well-known/jwks.json`,
    client,
    setFaults: async (rules) => void (await control('PUT', 'faults', rules)),
    clearFaults: async () => void (await control('DELETE', 'faults')),
    calls: async () => (await control('GET', 'calls')) as Record<string, CallCount>,
    callTimes: async (...operations) => {
      const { items } = (await control('GET', 'call-times')) as { items: CallTime[] };
      const times = items.filter(({ operation }) => operations.includes(operation));
      return times.map(({ at }) => at).toSorted((a, b) => a - b);
    },
    late: async () => ((await control('GET', 'late')) as { pending: number }).pending,
    clearCalls: async () => void (await control('DELETE', 'calls')),
    advanceClock: async (advanceSeconds) =>
      void (await control('POST', 'clock', { advanceSeconds })),
    now: async () => ((await control('GET', 'clock')) as { now: number }).now,
    mail: async () => ((await control('GET', 'mail')) as { items: Mail[] }).items,
    token: async (claims = {}) => {
      const answer = await control('POST', 'tokens', { client_id: clientId, ...claims });
      return (answer as { token: string }).token;
    },
    remove: async () => {
      await client.send(new DeleteUserPoolCommand({ UserPoolId: userPoolId }));
      client.destroy();
    },
  };
}
