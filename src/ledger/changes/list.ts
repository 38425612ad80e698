import type { Database } from '../../db/client.ts';
import type { Change, ChangeStatus } from '../../domain/change.ts';
import type { Grants } from '../../domain/grants.ts';
import type { Position } from '../bounded-scan.ts';

export interface ChangeFilter {
  readonly visibleTo: { readonly callerId: string; readonly grants: Grants };
  readonly userId?: string;
  readonly statuses?: readonly ChangeStatus[];
}

/** Newest first. A page may have fewer items than `limit`, or none, and still a `next`.
 * @param after where the page before ended */
export async function listChanges(
  _db: Database,
  _filter: ChangeFilter & { readonly after?: Position | undefined; readonly limit: number },
): Promise<{ items: Change[]; next: Position | null }> {
  throw new Error('not written yet');
}

/** Exact up to 10,000, null beyond; also null if each part of the filter alone fits more rows than a
 * count looks through. */
export async function countChanges(_db: Database, _filter: ChangeFilter): Promise<number | null> {
  throw new Error('not written yet');
}
