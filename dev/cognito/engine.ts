import { readdir } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { ACCOUNT_OPERATIONS } from './account-operations.ts';
import { createAttempts } from './attempts.ts';
import { createChallenges } from './challenges.ts';
import type { Engine, OnCode, Operation, Pool } from './model.ts';
import { createUserPool, POOL_OPERATIONS } from './pool-operations.ts';
import { CLIENTS, openClients, openPool } from './pool-store.ts';
import { invalidParameter, ServiceError } from './service-error.ts';
import { MFA_OPERATIONS } from './mfa-operations.ts';
import { SOFTWARE_TOKEN_OPERATIONS } from './software-token.ts';
import { createStores } from './store.ts';
import type { Signer } from './tokens.ts';
import { USER_OPERATIONS } from './user-operations.ts';

const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...POOL_OPERATIONS,
  ...USER_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
  ...SOFTWARE_TOKEN_OPERATIONS,
  ...MFA_OPERATIONS,
};

export interface EngineOptions {
  /** Folder of the pools. */
  readonly directory: string;
  readonly endpoint: string;
  readonly signer: Signer;
  readonly onCode: OnCode;
}

/** The user pools of the sandbox, and those operations on them that Registrar needs. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const stores = createStores(options.directory);
  const clients = await openClients(stores);
  const pools = new Map<string, Pool>();
  for (const entry of await readdir(options.directory, { withFileTypes: true })) {
    const Id = basename(entry.name, '.json');
    if (!entry.isFile() || extname(entry.name) !== '.json' || Id === CLIENTS) continue;
    pools.set(Id, await openPool(stores, { Id }));
  }
  const { endpoint, signer, onCode } = options;
  const engine: Engine = {
    clients,
    endpoint,
    signer,
    onCode,
    attempts: createAttempts(),
    challenges: createChallenges(),
    flushed: () => stores.flushed(),
    client: (id) => clients.get(id),
    async pool(id) {
      const pool = pools.get(id);
      if (pool) return pool;
      throw new ServiceError('ResourceNotFoundException', `User pool ${id} does not exist.`);
    },
    pools: () => [...pools.values()],
    async createPool(made) {
      if (pools.has(made.Id)) throw invalidParameter(`User pool ${made.Id} already exists.`);
      const pool = await openPool(stores, made);
      pools.set(made.Id, pool);
      return pool;
    },
    async deletePool(id) {
      for (const { ClientId } of await clients.ofPool(id)) await clients.delete(ClientId);
      await stores.delete(id);
      pools.delete(id);
    },
    async invoke(operation, body, pool) {
      if (operation === 'CreateUserPool') return createUserPool(engine, body);
      const run = Object.hasOwn(OPERATIONS, operation) ? OPERATIONS[operation] : undefined;
      if (run === undefined) {
        const message = `The sandbox does not support the operation ${operation}`;
        throw new ServiceError('UnsupportedOperationException', message);
      }
      if (pool === undefined) throw invalidParameter(`${operation} must name a user pool`);
      return run(engine, pool, body);
    },
  };
  return engine;
}
