import { sql } from 'drizzle-orm';
import { DELIVERY } from '../../activities/relay/destinations.ts';
import type { Destination } from '../../activities/relay/destination.ts';
import { createAvailability } from '../../src/telemetry/availability.ts';
import { relay } from '../../activities/relay/relay-loop.ts';
import { createCognito } from '../../src/cognito/adapter.ts';
import { createPasswordRecovery } from '../../src/cognito/password-recovery.ts';
import { tryAdvisoryLock } from '../../src/db/advisory-lock.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import type { Ledger } from '../integration/ledger/ledger-under-test.ts';
import type { TestPool } from './cognito.ts';

const LOCK = 1;

export interface Shift {
  /** As SIGTERM does. */
  stop(): Promise<void>;
  /** Resolves or rejects as the activity does. */
  readonly ended: Promise<void>;
}

export interface Delivery {
  readonly outboxId: string;
  readonly attempts: number;
  readonly delivered: boolean;
  readonly givenUp: boolean;
  readonly lastError: string | null;
  readonly dueInSeconds: number;
}

/** Relay loops without Temporal. */
export class Relays {
  readonly ledger: Ledger;
  readonly pool: TestPool;
  readonly warnings: object[] = [];
  publicMailsPerDay: number | null = null;
  readonly #shifts: Shift[] = [];

  readonly #processes: DatabasePool;

  constructor(ledger: Ledger, pool: TestPool) {
    this.#processes = openDatabase(ledger.database.appUrl);
    this.ledger = ledger;
    this.pool = pool;
  }

  readonly log = {
    info: (): void => undefined,
    warn: (fields: object): void => void this.warnings.push(fields),
    error: (fields: object): void => void this.warnings.push(fields),
  };

  begin(...destinations: readonly Destination[]): Shift {
    const stopping = new AbortController();
    const ended = relay(
      {
        db: this.#processes.db,
        provider: createCognito(this.pool.client, this.pool.userPoolId),
        log: this.log,
        changed: () => undefined,
        recovery: createPasswordRecovery(
          this.pool.client,
          { clientId: this.pool.clientId, clientSecret: null },
          this.log,
        ),
        acquireQuota: () => async () => undefined,
        publicMailsPerDay: this.publicMailsPerDay,
        propagationGraceSeconds: 0,
        lock: () => tryAdvisoryLock(this.ledger.database.appUrl, LOCK),
        destinations: () =>
          destinations.map((one) => ({
            ...one,
            availability: createAvailability(this.log, DELIVERY),
          })),
        stopping: stopping.signal,
      },
      () => undefined,
    );
    ended.catch(() => undefined);
    const stop = async (): Promise<void> => {
      stopping.abort();
      await ended;
    };
    const shift = { stop, ended };
    this.#shifts.push(shift);
    return shift;
  }

  /** Completed registrations without an invitation: one event each. */
  async completed(count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let made = 0; made < count; made += 1) {
      ids.push((await this.ledger.at('completed', { invite: false })).id);
    }
    return ids;
  }

  async deliveries(destination: string): Promise<Delivery[]> {
    const rows = await this.ledger.db.execute<{
      id: string;
      attempts: number;
      delivered: boolean;
      given_up: boolean;
      last_error: string | null;
      due_in: number;
    }>(sql`SELECT outbox_id AS id, attempts, delivered_at IS NOT NULL AS delivered,
        given_up_at IS NOT NULL AS given_up, last_error,
        extract(epoch FROM next_attempt_at - now())::float8 AS due_in
      FROM outbox_deliveries WHERE destination = ${destination} ORDER BY outbox_id`);
    return rows.map((row) => ({
      outboxId: row.id,
      attempts: row.attempts,
      delivered: row.delivered,
      givenUp: row.given_up,
      lastError: row.last_error,
      dueInSeconds: row.due_in,
    }));
  }

  /** Whatever waits is due at once. */
  async dueNow(): Promise<void> {
    await this.ledger.db.execute(sql`UPDATE outbox_deliveries SET next_attempt_at = now()
      WHERE delivered_at IS NULL`);
  }

  /** Ends the sessions that hold, or wait for, the relay's lock. */
  async cutLock(): Promise<void> {
    await this.ledger.db.execute(sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'registrar lock'`);
  }

  async stopShifts(): Promise<void> {
    await Promise.allSettled(this.#shifts.splice(0).map((shift) => shift.stop()));
  }

  async clear(): Promise<void> {
    await this.stopShifts();
    this.warnings.length = 0;
    await this.ledger.db.execute(sql`DELETE FROM outbox`);
  }

  async stop(): Promise<void> {
    await this.stopShifts();
    await this.#processes.close();
  }
}
