import postgres from 'postgres';
import { createCognito, type IdentityProvider } from '../../src/cognito/adapter.ts';
import type { PasswordContext } from '../../activities/step-context.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import type { Registration } from '../../src/domain/registration.ts';
import { NO_TELEMETRY } from '../../src/domain/telemetry.ts';
import { accept } from '../../src/ledger/registrations/accept.ts';
import { beginSteps, readRow } from '../../src/ledger/registrations/transitions.ts';
import { acceptInput } from './accept-input.ts';
import { createSessions } from '../../src/cognito/sessions.ts';
import type { TestPool } from './cognito.ts';
import { known, type Known } from './known.ts';
import { SEALING } from './passwords.ts';
import type { TestDatabase } from './database.ts';

/** Steps without a workflow: the sandbox, PostgreSQL and what one attempt works with. */
export class Steps {
  readonly pool: TestPool;
  readonly db: DatabasePool['db'];
  readonly #ledger: DatabasePool;
  readonly #database: TestDatabase;

  constructor(database: TestDatabase, pool: TestPool) {
    this.pool = pool;
    this.#database = database;
    this.#ledger = openDatabase(database.appUrl, 5);
    this.db = this.#ledger.db;
  }

  provider(): IdentityProvider {
    return createCognito(this.pool.client, this.pool.userPoolId);
  }

  context(over: Partial<PasswordContext> = {}): PasswordContext {
    const ignore = (): void => undefined;
    return {
      db: this.db,
      provider: this.provider(),
      sealing: SEALING,
      sessions: createSessions(
        this.pool.client,
        { clientId: this.pool.clientId, clientSecret: null },
        { warn: ignore },
      ),
      publicMailsPerDay: null,
      graceMs: 0,
      unreadableAfterMs: 0,
      acquireQuota: async () => undefined,
      signal: AbortSignal.timeout(4000),
      attempt: 1,
      slow: false,
      log: { info: ignore, warn: ignore, error: ignore },
      telemetry: NO_TELEMETRY,
      ...over,
    };
  }

  /** A row that has begun. */
  async begun(roles: readonly string[] = ['viewer'], password?: string): Promise<Known> {
    const input = acceptInput({ roles, ...(password !== undefined && { password }) });
    await accept(this.db, input);
    return known(await beginSteps(this.db, input.id));
  }

  async row(id: string): Promise<Registration> {
    return await readRow(this.db, id);
  }

  /** How often an operation took effect since the counters were cleared. */
  async effects(operation: string): Promise<number> {
    return (await this.pool.calls())[operation]?.done ?? 0;
  }

  /** Cuts every connection of the ledger, as a restart of PostgreSQL does. */
  async cutConnections(): Promise<void> {
    await this.#besides(
      this.#database.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
  }

  /** The next transactions lose their connection at the moment they append to the trail. */
  async cutWhileAppending(times: number): Promise<void> {
    // A sequence, because what it counts outlives the transaction that is cut.
    await this.#besides(
      this.#database.ownerUrl,
      `CREATE SEQUENCE cuts;
      CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('cuts') <= ${times} THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        RETURN NEW; END $$;
      CREATE TRIGGER cut BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION cut()`,
    );
  }

  /** On a connection of its own, which nothing here cuts. */
  async #besides(url: string, statements: string): Promise<void> {
    const sql = postgres(url, { max: 1, onnotice: () => undefined });
    try {
      await sql.unsafe(statements);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async stop(): Promise<void> {
    await this.#ledger.close();
  }
}
