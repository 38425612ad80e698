import { createHash } from 'node:crypto';
import type { AuditEvent } from '../../domain/audit-event.ts';
import { maySee, type Caller } from '../../domain/grants.ts';
import type { Registration } from '../../domain/registration.ts';
import { readRegistration, readTimeline } from '../../ledger/registrations/read.ts';
import type { AppDeps } from '../app-deps.ts';
import { toReceipt } from './receipt.ts';
import type { Receipt } from './schemas.ts';
import { liveRun } from './receipt-queries.ts';

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
