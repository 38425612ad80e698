import type { Database } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';

/** A write to Cognito that was recorded before it was sent. */
export interface RecordedWrite {
  readonly change: Change;
  readonly step: string;
  /** By PostgreSQL's clock, as the row has it. */
  readonly at: string;
  /** An earlier write of the same step without an answer: it stays open when this one is answered. */
  readonly before: string | null;
}

/**
 * Records that a write is about to be sent, where the change may still act in this direction. Of a step
 * with a role, the role counts as touched from here.
 * @param step as the receipt names it: `assignRole:<role>`
 * @returns null where it may not; nothing is to be sent then
 */
export async function recordWrite(
  _db: Database,
  _id: string,
  _step: string,
  _direction: 'forward' | 'restore',
): Promise<RecordedWrite | null> {
  throw new Error('not written yet');
}

/** The write was answered, with success or an error: it cannot land later. Not for a lost reply. */
export async function recordWriteAnswered(_db: Database, _write: RecordedWrite): Promise<void> {
  throw new Error('not written yet');
}

/** A write without an answer that may still land. */
export interface OpenWrite {
  /** null: of the person's registration, whose role steps had several attempts. */
  readonly changeId: string | null;
  readonly step: string;
  /** Until it cannot land any more, by PostgreSQL's clock. */
  readonly leftMs: number;
}

/** All writes of a person that may still land, of open changes and of what ended within the grace. */
export async function openWritesOf(
  _db: Database,
  _userId: string,
  _graceSeconds: number,
): Promise<OpenWrite[]> {
  throw new Error('not written yet');
}

/** What the ledger knows better than a read of Cognito, which may lag by the grace. */
export interface RecentlyWritten {
  /** Roles that changes of the person, or the registration, touched: written whatever a read says. */
  readonly roles: readonly string[];
  /** The roles that the latest of them left; null: none ended within the grace, so the read counts. */
  readonly settledRoles: readonly string[] | null;
  /** The same of the account; null: the read counts. */
  readonly settledEnabled: boolean | null;
}

/** @param exceptId the change that asks: its own writes are no news to it */
export async function recentlyWritten(
  _db: Database,
  _userId: string,
  _graceSeconds: number,
): Promise<RecentlyWritten> {
  throw new Error('not written yet');
}
