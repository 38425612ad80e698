import type { Context } from 'hono';
import { isOpenChange, type Change, type ChangeStatus } from '../../domain/change.ts';
import { maySee, type Caller } from '../../domain/grants.ts';
import type { UserRunState } from '../../domain/runs.ts';
import {
  readChange,
  readChangeStatus,
  readChangeTimeline,
  readChangeTimelines,
} from '../../ledger/changes/read.ts';
import type { AppDeps } from '../app-deps.ts';
import { Problem } from '../problems/problem-details.ts';
import { describeInTime } from '../receipts/receipt-parts.ts';
import { unlessAway, waitForStatus } from '../receipts/wait.ts';
import { isUuid } from '../request/fields.ts';
import { toChangeReceipt } from './receipt.ts';
import type { ChangeReceipt } from './schemas.ts';

/** The change of a path, where the caller may see it. @throws Problem */
export async function findVisibleChange(
  deps: Pick<AppDeps, 'db'>,
  caller: Caller,
  id: string,
): Promise<Change> {
  const change = isUuid(id) ? await readChange(deps.db, id.toLowerCase()) : null;
  // Who may grant everything that the person had and was to have sees it.
  const seen = change && { roles: change.personRoles, requestedBy: change.requestedBy };
  if (!seen || !maySee(caller, seen)) throw new Problem('change_not_found');
  return change;
}

/** The receipt of one change, with its running attempts. */
export async function changeReceiptOf(deps: AppDeps, change: Change): Promise<ChangeReceipt> {
  const [timeline, run] = await Promise.all([
    readChangeTimeline(deps.db, change.id),
    liveRun(deps, change),
  ]);
  return toChangeReceipt(change, timeline, run, deps.temporal);
}

/** The receipts of a page, each the same as `getChange` returns. */
export async function changeReceiptsOf(
  deps: AppDeps,
  rows: readonly Change[],
): Promise<ChangeReceipt[]> {
  const ids = rows.map(({ id }) => id);
  const [timelines, runs] = await Promise.all([
    readChangeTimelines(deps.db, ids),
    Promise.all(rows.map((row) => liveRun(deps, row))),
  ]);
  return rows.map((row, index) =>
    toChangeReceipt(row, timelines.get(row.id) ?? [], runs[index] ?? null, deps.temporal),
  );
}

/** The run of the person of an open change; null if Temporal does not answer in time. */
async function liveRun(
  deps: AppDeps,
  { id, userId, status }: Change,
): Promise<UserRunState | null> {
  // An accepted change has no attempts yet: it waits for its run, or for an earlier change.
  if (!isOpenChange(status) || status === 'accepted') return null;
  return await describeInTime(deps, { changeId: id }, () => deps.userRuns.describe(userId));
}

/** A wait is over when the change is closed or parked. */
function isSettled(status: ChangeStatus): boolean {
  return !isOpenChange(status) || status === 'parked';
}

/** Waits until a change is settled; the latest known state where the wait ends first. */
export async function waitForChange(
  deps: Pick<AppDeps, 'db' | 'updates' | 'closing'>,
  change: Change,
  seconds: number,
  client: AbortSignal,
): Promise<Change> {
  const { id, status } = change;
  if (isSettled(status)) return change;
  const source = { id, status, isSettled, readStatus: () => readChangeStatus(deps.db, id) };
  await waitForStatus(deps, source, seconds, client);
  return (await unlessAway(readChange(deps.db, id))) ?? change;
}

/** Like waitForChange, for a `Prefer` header; sets `Preference-Applied`. */
export async function waitForChangeAsPreferred(
  deps: Pick<AppDeps, 'db' | 'updates' | 'closing'>,
  c: Context,
  change: Change,
  seconds: number | null,
): Promise<Change> {
  if (seconds === null) return change;
  c.header('Preference-Applied', `wait=${seconds}`);
  return await waitForChange(deps, change, seconds, c.req.raw.signal);
}
