import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { openDatabase, type Database } from '../../../src/db/client.ts';
import { registrations } from '../../../src/db/schema.ts';
import { publicFailure } from '../../../src/domain/failure.ts';
import type { Registration } from '../../../src/domain/registration.ts';
import type { RegistrationStatus } from '../../../src/domain/status.ts';
import { accept, type AcceptInput } from '../../../src/ledger/registrations/accept.ts';
import {
  beginCompensation,
  requireCleanup,
} from '../../../src/ledger/registrations/compensation.ts';
import { park } from '../../../src/ledger/registrations/park.ts';
import { readTimeline } from '../../../src/ledger/registrations/read.ts';
import {
  recordCreateAttempt,
  recordCreated,
} from '../../../src/ledger/registrations/create-attempt.ts';
import { beginSteps, complete, readRow } from '../../../src/ledger/registrations/transitions.ts';
import { acceptInput } from '../../support/accept-input.ts';
import { closeProved } from '../../support/close-proved.ts';
import { known, type Known } from '../../support/known.ts';
import { createLedgerDatabase, type TestDatabase } from '../../support/database.ts';

export const CANCELLED = publicFailure('registration_cancelled');
export const FAILED = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
export const PARKED = publicFailure('provider_unavailable_parked');
export const STUCK = [{ step: 'deleteUser', code: PARKED.code, detail: PARKED.detail }];
export const ALICE = { actor: 'alice', reason: 'because' };

/** The ledger's transactions on a database. */
export class Ledger {
  readonly db: Database;
  readonly url: string;
  readonly database: TestDatabase;
  readonly stop: () => Promise<void>;

  private constructor(db: Database, database: TestDatabase, stop: () => Promise<void>) {
    this.db = db;
    this.url = database.url;
    this.database = database;
    this.stop = stop;
  }

  /** @param maxConnections as many transactions as really run at once */
  static async on(database: TestDatabase, maxConnections = 20): Promise<Ledger> {
    const pool = openDatabase(database.url, maxConnections);
    await connectAll(pool.db, maxConnections);
    return new Ledger(pool.db, database, () => pool.close(1));
  }

  /** On a database of its own, which is dropped when it stops; for tests that need a second one.
   * @param options of CREATE DATABASE */
  static async start(maxConnections = 20, options = ''): Promise<Ledger> {
    const database = await createLedgerDatabase(options);
    const { db, stop } = await Ledger.on(database, maxConnections);
    return new Ledger(db, database, async () => {
      await stop();
      await database.drop();
    });
  }

  input(wanted: Partial<AcceptInput> = {}): AcceptInput {
    return acceptInput(wanted);
  }

  async accepted(wanted: Partial<AcceptInput> = {}): Promise<Known> {
    const result = await accept(this.db, this.input(wanted));
    if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
    return known(result.registration);
  }

  /** Begun, and its user created: all that `complete` asks for. */
  async created(wanted: Partial<AcceptInput> = {}): Promise<Known> {
    const { id } = await this.accepted(wanted);
    await recordCreateAttempt(this.db, await beginSteps(this.db, id));
    const user = { username: `user-${id}`, sub: `sub-${id}` };
    return known(await recordCreated(this.db, id, user, 1, 1));
  }

  /** A row brought to a status by the ledger's own transactions, its user created. */
  async at(status: RegistrationStatus, wanted: Partial<AcceptInput> = {}): Promise<Known> {
    const { id, roles } = await this.created(wanted);
    const compensate = (closesAs: 'failed' | 'cancelled') =>
      beginCompensation(this.db, id, { ...FAILED, closesAs }, CANCELLED, {});
    switch (status) {
      case 'accepted':
        // The one status that a row with a user has only after a crash between two commits.
        await this.set(id, { status: 'accepted' });
        break;
      case 'running':
        break;
      case 'roles_pending':
        await this.parked(id);
        break;
      case 'compensating':
        await compensate('failed');
        break;
      case 'cleanup_required':
        await compensate('failed');
        await requireCleanup(this.db, id, STUCK, {});
        break;
      case 'completed':
        await complete(this.db, id, roles, {});
        break;
      case 'failed':
      case 'cancelled':
        await compensate(status);
        await this.close(id);
        break;
    }
    const row = await this.row(id);
    if (row.status !== status) throw new Error(`${row.status} instead of ${status}`);
    return known(row);
  }

  async parked(id: string, key: string = randomUUID(), resumeIntervalSeconds = 300) {
    return await park(this.db, id, { failure: PARKED, steps: {}, key, resumeIntervalSeconds });
  }

  /** With the proof that no user of ours is left. */
  close(id: string): Promise<Registration> {
    return closeProved(this.db, id);
  }

  row(id: string): Promise<Registration> {
    return readRow(this.db, id);
  }

  async set(id: string, columns: Partial<typeof registrations.$inferInsert>): Promise<void> {
    await this.db.update(registrations).set(columns).where(eq(registrations.id, id));
  }

  /** Names of the events of one registration, oldest first. */
  async events(id: string): Promise<string[]> {
    return (await readTimeline(this.db, id)).map(({ event }) => event);
  }

  async outbox(id: string): Promise<string[]> {
    const rows = await this.db.execute<{ kind: string }>(
      sql`SELECT kind FROM outbox WHERE registration_id = ${id}::uuid ORDER BY kind`,
    );
    return rows.map(({ kind }) => kind);
  }

  /** How many transactions wait for a lock now. */
  async waiting(): Promise<number> {
    const [row] = await this.db.execute<{ count: number }>(
      sql`SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return row?.count ?? 0;
  }

  /** Makes the trail refuse one event, with the given SQLSTATE, until `allowAudit`. */
  async refuseAudit(event: string, sqlstate = 'P0001'): Promise<void> {
    await this.allowAudit();
    await this.db.execute(
      sql.raw(`CREATE OR REPLACE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '${sqlstate}'; END $$`),
    );
    await this.db.execute(
      sql.raw(`CREATE TRIGGER refuse_event BEFORE INSERT ON audit_events FOR EACH ROW
        WHEN (NEW.event = '${event}') EXECUTE FUNCTION refuse_event()`),
    );
  }

  async allowAudit(): Promise<void> {
    await this.db.execute(sql.raw('DROP TRIGGER IF EXISTS refuse_event ON audit_events'));
  }
}

// A race over connections that are still being made is none: the first one wins before the others
// have begun. So every connection is open, in a transaction of its own, before a test starts.
async function connectAll(db: Database, count: number): Promise<void> {
  let begun = 0;
  const all = Promise.withResolvers<void>();
  await times(count, () =>
    db.transaction(async (tx) => {
      await tx.execute(sql`SELECT 1`);
      begun += 1;
      if (begun === count) all.resolve();
      await all.promise;
    }),
  );
}

/** How often each kind occurred. */
export function countByKind(kinds: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

export function times<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => make(index)));
}
