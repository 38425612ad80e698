import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Change, ChangeKind, ChangeStatus } from '../../../../src/domain/change.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import {
  acceptChange,
  type AcceptChangeInput,
  type AcceptChangeResult,
} from '../../../../src/ledger/changes/accept.ts';
import { completeChange } from '../../../../src/ledger/changes/complete.ts';
import type { RefusesChange } from '../../../../src/ledger/changes/last-administrator.ts';
import { parkChange } from '../../../../src/ledger/changes/park.ts';
import { readChangeTimeline } from '../../../../src/ledger/changes/read.ts';
import {
  beginChange,
  beginRestoring,
  closeChange,
  readChangeRow,
} from '../../../../src/ledger/changes/transitions.ts';
import type { AcceptInput } from '../../../../src/ledger/registrations/accept.ts';
import { changeInput, type WantedChange } from '../../../support/change-input.ts';
import { eventually } from '../../../support/eventually.ts';
import { PARKED, type Ledger } from '../ledger-under-test.ts';

export const FAILS = { restoresAs: 'failed', failure: publicFailure('role_missing') } as const;
export const CANCELS = {
  restoresAs: 'cancelled',
  failure: publicFailure('change_cancelled'),
} as const;

/** A person with a completed registration, and the ledger's transactions on their changes. */
export class Person {
  readonly ledger: Ledger;
  readonly userId: string;
  readonly registrationId: string;

  private constructor(ledger: Ledger, registrationId: string, userId: string) {
    this.ledger = ledger;
    this.registrationId = registrationId;
    this.userId = userId;
  }

  static async registered(ledger: Ledger, wanted: Partial<AcceptInput> = {}): Promise<Person> {
    const { id, userId } = await ledger.at('completed', wanted);
    return new Person(ledger, id, userId ?? '');
  }

  request(
    kind: ChangeKind,
    wanted: WantedChange = {},
    refuses: RefusesChange | null = null,
  ): Promise<AcceptChangeResult> {
    return acceptChange(this.ledger.db, changeInput(this.userId, kind, wanted), refuses);
  }

  async accepted(kind: ChangeKind, wanted: WantedChange = {}): Promise<Change> {
    const result = await this.request(kind, wanted);
    if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
    return result.change;
  }

  /** Accepts a change, and begins something else at the moment when the row of the person is held, so
   * that it has to wait for the acceptance to commit. */
  async acceptedBefore<T>(
    wanted: AcceptChangeInput,
    begins: () => Promise<T>,
  ): Promise<{ readonly accepted: AcceptChangeResult; readonly later: T }> {
    const later = Promise.withResolvers<T>();
    const accepted = await acceptChange(this.ledger.db, wanted, null, undefined, async () => {
      begins().then(later.resolve, later.reject);
      await eventually(async () => (await this.ledger.waiting()) > 0, 2000);
      return true;
    });
    return { accepted, later: await later.promise };
  }

  async begun(kind: ChangeKind, wanted: WantedChange = {}): Promise<Change> {
    const { id } = await this.accepted(kind, wanted);
    const before = { rolesBefore: ['viewer'], enabledBefore: kind !== 'enable' };
    return (await beginChange(this.ledger.db, id, before, null)).change;
  }

  /** A change brought to a status by the ledger's own transactions. */
  async at(status: ChangeStatus, kind: ChangeKind, wanted: WantedChange = {}): Promise<Change> {
    if (status === 'accepted') return await this.accepted(kind, wanted);
    const { id } = await this.begun(kind, wanted);
    const { db } = this.ledger;
    if (status === 'parked') await this.parked(id);
    if (status === 'completed') await completeChange(db, id, {});
    if (status === 'failed' || status === 'cancelled') {
      await beginRestoring(db, id, status === 'failed' ? FAILS : CANCELS, {});
      await closeChange(db, id, {});
    }
    const row = await this.row(id);
    if (row.status !== status) throw new Error(`${row.status} instead of ${status}`);
    return row;
  }

  parked(id: string, key: string = randomUUID(), parks?: number): Promise<Change> {
    const park = { failure: PARKED, steps: {}, key, parks, resumeIntervalSeconds: 300 };
    return parkChange(this.ledger.db, id, park);
  }

  row(id: string): Promise<Change> {
    return readChangeRow(this.ledger.db, id);
  }

  async events(id: string): Promise<string[]> {
    return (await readChangeTimeline(this.ledger.db, id)).map(({ event }) => event);
  }

  /** Kinds of what others are told of the person, oldest first, without the registration's own. */
  async outbox(): Promise<string[]> {
    const rows = await this.ledger.db.execute<{ kind: string }>(sql`SELECT kind FROM outbox
      WHERE registration_id = ${this.registrationId}::uuid
        AND kind NOT IN ('user.created', 'invitation') ORDER BY sequence`);
    return rows.map(({ kind }) => kind);
  }

  /** Which tokens of the person ended. */
  async cutOffs(): Promise<{ sessions: boolean; roles: boolean }> {
    const [row] = await this.ledger.db.execute<{ sessions: boolean; roles: boolean }>(sql`
      SELECT sessions_ended_at IS NOT NULL AS sessions, roles_changed_at IS NOT NULL AS roles
      FROM token_cutoffs WHERE user_id = ${this.userId}`);
    return row ?? { sessions: false, roles: false };
  }
}
