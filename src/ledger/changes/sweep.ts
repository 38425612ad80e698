import type { Database } from '../../db/client.ts';
import type { ChangeStatus } from '../../domain/change.ts';

export interface OpenChangeRow {
  readonly id: string;
  readonly userId: string;
  readonly status: ChangeStatus;
  /** Since it was accepted, by PostgreSQL's clock. */
  readonly ageMs: number;
  /** The run that looked at it last. */
  readonly runId: string | null;
}

/** Open changes that no sweep has looked at since `sweptBefore`, those looked at longest ago first. */
export async function openChanges(
  _db: Database,
  _limit: number,
  _sweptBefore: Date,
): Promise<OpenChangeRow[]> {
  throw new Error('not written yet');
}

/** Those of these open changes that no other run than the known one has looked at. */
export async function changesNotBegun(
  _db: Database,
  _rows: readonly OpenChangeRow[],
): Promise<OpenChangeRow[]> {
  throw new Error('not written yet');
}

export async function recordChangesSwept(_db: Database, _ids: readonly string[]): Promise<void> {
  throw new Error('not written yet');
}

/** Those of these persons who have no open change: a run that waits for one of them is to be woken. */
export async function withoutOpenChanges(
  _db: Database,
  _userIds: readonly string[],
): Promise<string[]> {
  throw new Error('not written yet');
}
