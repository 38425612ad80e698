import { createHash } from 'node:crypto';
import type { AuditEvent } from '../../domain/audit-event.ts';
import { isUuid } from '../request/fields.ts';
import { maySee, type Caller } from '../../domain/grants.ts';
import type { Registration } from '../../domain/registration.ts';
import type { RunState } from '../../domain/runs.ts';
import { isClosed } from '../../domain/status.ts';
import { readRegistration, readTimeline, readTimelines } from '../../ledger/registrations/read.ts';
import { Problem } from '../problems/problem-details.ts';
import type { AppDeps } from '../app-deps.ts';
import { describeInTime } from '../receipts/receipt-parts.ts';
import { toReceipt } from './receipt.ts';
import type { Receipt } from './schemas.ts';

/** The registration of a path, where the caller may see it. @throws Problem */
export async function findVisible(
  deps: Pick<AppDeps, 'db'>,
  caller: Caller,
  id: string,
): Promise<Registration> {
  const registration = isUuid(id) ? await readRegistration(deps.db, id) : null;
  if (!registration || !maySee(caller, registration)) throw new Problem('registration_not_found');
  return registration;
}

/** The receipt of one registration, with its running attempts. */
export async function receiptOf(
  deps: AppDeps,
  row: Registration,
  known: readonly AuditEvent[] | null = null,
): Promise<Receipt> {
  const [timeline, run] = await Promise.all([
    known ?? readTimeline(deps.db, row.id),
    liveRun(deps, row),
  ]);
  return toReceipt(row, timeline, run, deps.temporal);
}

/** The receipts of a page, each the same as `getRegistration` returns. */
export async function receiptsOf(deps: AppDeps, rows: readonly Registration[]): Promise<Receipt[]> {
  const ids = rows.map(({ id }) => id);
  const [timelines, runs] = await Promise.all([
    readTimelines(deps.db, ids),
    Promise.all(rows.map((row) => liveRun(deps, row))),
  ]);
  return rows.map((row, index) =>
    toReceipt(row, timelines.get(row.id) ?? [], runs[index] ?? null, deps.temporal),
  );
}

/** The state of an open registration's run; null if Temporal does not answer in time. */
export async function liveRun(deps: AppDeps, row: Registration): Promise<RunState | null> {
  // An accepted row has no run yet, or a run before its first step.
  if (isClosed(row.status) || row.status === 'accepted') return null;
  return await describeInTime(deps, { registrationId: row.id }, () => deps.runs.describe(row.id));
}

/** A registration as the ledger has it, with an id for this state. */
export interface ReceiptVersion {
  /** The same in every process for the same receipt; running attempts do not change it. */
  readonly id: string;
  readonly row: Registration;
  readonly timeline: readonly AuditEvent[];
}

/** @returns null if the registration does not exist, or the caller may not or no longer see it */
export async function readVersion(
  deps: Pick<AppDeps, 'db' | 'temporal'>,
  caller: Caller,
  id: string,
): Promise<ReceiptVersion | null> {
  const row = await readRegistration(deps.db, id);
  return row && maySee(caller, row) ? await versionOf(deps, row) : null;
}

export async function versionOf(
  deps: Pick<AppDeps, 'db' | 'temporal'>,
  row: Registration,
): Promise<ReceiptVersion> {
  const timeline = await readTimeline(deps.db, row.id);
  const text = JSON.stringify(toReceipt(row, timeline, null, deps.temporal));
  const id = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  return { id, row, timeline };
}

/** The receipt of this version as GET returns it, with the running attempts. */
export async function receiptOfVersion(
  deps: AppDeps,
  { row, timeline }: ReceiptVersion,
): Promise<Receipt> {
  return toReceipt(row, timeline, await liveRun(deps, row), deps.temporal);
}
