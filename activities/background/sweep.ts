import { appendUnrecordedEvents } from '../../src/ledger/unrecorded-events.ts';
import { databaseNow } from '../../src/ledger/registrations/row.ts';
import {
  closedAmong,
  notBegun,
  recordSwept,
  openRows,
  rowsWithStrays,
  type OpenKind,
  type OpenRow,
} from '../../src/ledger/registrations/sweep.ts';
import { wipeExpiredSeals } from '../../src/ledger/registrations/password.ts';
import { eraseExpired } from '../../src/ledger/erasure.ts';
import { makeCheckpoint } from '../../src/ledger/audit/checkpoint.ts';
import { undeliveredChangeInstructions } from '../../src/ledger/changes/instructions.ts';
import {
  changesNotBegun,
  openChanges,
  recordChangesSwept,
  withoutOpenChanges,
  type OpenChangeRow,
} from '../../src/ledger/changes/sweep.ts';
import { undeliveredInstructions } from '../../src/ledger/registrations/instructions.ts';
import type { SweepReport } from '../contract.ts';
import { repairChange } from './repair-change.ts';
import { contextOf, repair, type RepairAction, type SweepDeps } from './repair-row.ts';
import { pause, rest } from '../relay/pause.ts';
import { deleteStrays } from '../registration/stray-users.ts';

const BATCH = 500;
/** What is left comes first in the next round. Short, since that one begins with what persons asked for. */
const ROUND_MS = 60_000;
/** Rows that are looked at together, and at most so many restarted runs that have not begun. */
const AT_ONCE = 5;
/** Restarted runs that have not begun after this: no worker is free, and the round starts no more. */
const BEGUN_WITHIN_MS = 5000;
const BEGUN_POLL_MS = 20;
const INSTRUCTION_AGE_MS = 10_000;
/** Of the runs that wait, the latest started: one that a reset made is among them. */
const WAITERS = 1000;
/** Events of one checkpoint: read and hashed well within a statement's time. */
const CHECKPOINT_EVENTS = 1000;
/** Registrations that one transaction erases: well within a statement's time. */
const ERASED_AT_ONCE = 200;

/** How a row was mended by a run that the sweep started. */
const STARTS: ReadonlySet<RepairAction | null> = new Set([
  'started',
  'restarted',
  'compensated',
  'changesStarted',
  'changesRestarted',
]);

/** Open rows of one table, and how one of them is mended. */
interface Swept<Row extends { readonly id: string }> {
  open(limit: number, sweptBefore: Date): Promise<Row[]>;
  /** null: nothing was to be done */
  repair(row: Row): Promise<RepairAction | null>;
  recordSwept(ids: readonly string[]): Promise<void>;
  /** Those of these rows that no run has looked at since they were read. */
  notBegun(rows: readonly Row[]): Promise<Row[]>;
}

/** Goes through the open rows and mends what no run takes care of: first what persons asked for, then
 * what nobody has begun, then the others, those looked at longest ago first. */
export async function sweep(deps: SweepDeps): Promise<SweepReport> {
  const none = { started: 0, restarted: 0, compensated: 0, completed: 0, failed: 0 };
  const ofChanges = { changesStarted: 0, changesRestarted: 0 };
  const actions: Record<RepairAction, number> = { ...none, ...ofChanges };
  const seen = new Set<string>();
  // A dry run marks nothing, so a row of one kind would be met again as another.
  const count = (id: string, action: RepairAction) => {
    if (!seen.has(id)) actions[action] += 1;
    seen.add(id);
  };
  const roundStart = await databaseNow(deps.db);
  // First: nothing that fails below keeps a password.
  const sealsEnd = deadline(deps);
  const goesOn = () => {
    deps.heartbeat?.();
    return !sealsEnd.aborted;
  };
  const sealsWiped = deps.dryRun ? 0 : await wipeExpiredSeals(deps.db, goesOn);
  // Then what persons asked for, whether its run is still there or not.
  const instructions = await undeliveredInstructions(deps.db, INSTRUCTION_AGE_MS, BATCH);
  const among = instructions.map(({ id }) => id);
  const ofRegistrations = (kind: OpenKind) =>
    repairRows(deps, roundStart, sweptRegistrations(deps, kind), count);
  const served = await ofRegistrations({ among });
  const instructionsDelivered = await deliverInstructions(deps, instructions);
  if (served && (await ofRegistrations('accepted'))) {
    await repairRows(deps, roundStart, sweptChanges(deps), count);
    await ofRegistrations('any');
  }
  return {
    ...actions,
    instructionsDelivered,
    waitersEnded: await endWaiters(deps),
    eventsAppended: deps.dryRun ? 0 : await appendUnrecordedEvents(deps.db, BATCH),
    eventsCheckpointed: deps.dryRun ? 0 : await checkpointTrail(deps),
    sealsWiped,
    straysDeleted: await deleteAllStrays(deps),
    registrationsErased: deps.dryRun ? 0 : await eraseAllExpired(deps),
  };
}

/** Aborts when the part of the round has used its time, or the process stops. */
function deadline({ stopping }: SweepDeps): AbortSignal {
  const timeUp = AbortSignal.timeout(ROUND_MS);
  return stopping ? AbortSignal.any([stopping, timeUp]) : timeUp;
}

/** @returns false when runs that it started find no free worker: the round starts no more */
async function repairRows<Row extends { readonly id: string }>(
  deps: SweepDeps,
  roundStart: Date,
  swept: Swept<Row>,
  count: (id: string, action: RepairAction) => void,
): Promise<boolean> {
  const over = deadline(deps);
  while (!over.aborted) {
    const rows = await swept.open(BATCH, roundStart);
    for (let at = 0; at < rows.length && !over.aborted; at += AT_ONCE) {
      const since = performance.now();
      deps.heartbeat?.();
      const batch = rows.slice(at, at + AT_ONCE);
      const done = await Promise.all(batch.map((row) => swept.repair(row)));
      for (const [index, { id }] of batch.entries()) {
        const action = done[index];
        if (action) count(id, action);
      }
      if (!deps.dryRun) {
        await swept.recordSwept(batch.map(({ id }) => id));
        const started = batch.filter((_row, index) => STARTS.has(done[index] ?? null));
        if (!(await haveBegun(deps, swept, started, over))) return false;
      }
      deps.heartbeat?.();
      // After the last ones nothing is left to rest from.
      if (at + AT_ONCE < rows.length || rows.length === BATCH) await rest(since, over);
    }
    // A dry run would meet the same rows again.
    if (deps.dryRun || rows.length < BATCH) break;
  }
  return true;
}

function sweptRegistrations(deps: SweepDeps, kind: OpenKind): Swept<OpenRow> {
  return {
    open: (limit, sweptBefore) => openRows(deps.db, limit, sweptBefore, kind),
    repair: (row) => repair(deps, row, kind),
    recordSwept: (ids) => recordSwept(deps.db, ids),
    notBegun: (rows) => notBegun(deps.db, rows),
  };
}

function sweptChanges(deps: SweepDeps): Swept<OpenChangeRow> {
  return {
    open: (limit, sweptBefore) => openChanges(deps.db, limit, sweptBefore),
    repair: (row) => repairChange(deps, row),
    recordSwept: (ids) => recordChangesSwept(deps.db, ids),
    async notBegun(rows) {
      const left = await changesNotBegun(deps.db, rows);
      // One run serves all changes of a person, and looks at one of them first.
      const waiting = new Set(left.map(({ id }) => id));
      const begun = new Set(rows.flatMap(({ id, userId }) => (waiting.has(id) ? [] : userId)));
      return left.filter(({ userId }) => !begun.has(userId));
    },
  };
}

/** Waits until the runs of these rows have begun, so that no restart adds to a queue of others. */
async function haveBegun<Row extends { readonly id: string }>(
  deps: SweepDeps,
  swept: Swept<Row>,
  started: readonly Row[],
  over: AbortSignal,
): Promise<boolean> {
  deps.heartbeat?.();
  const until = performance.now() + BEGUN_WITHIN_MS;
  let left = await swept.notBegun(started);
  while (left.length > 0 && performance.now() < until && !over.aborted) {
    await pause(BEGUN_POLL_MS, over);
    left = await swept.notBegun(left);
  }
  return left.length === 0;
}

/** Users that a create made too late, or twice, and that could not be deleted at once. */
async function deleteAllStrays(deps: SweepDeps): Promise<number> {
  const rows = await rowsWithStrays(deps.db, BATCH);
  if (deps.dryRun) return rows.length;
  let deleted = 0;
  for (const row of rows) {
    deps.heartbeat?.();
    const left = await deleteStrays(contextOf(deps, row.id), row).catch(() => null);
    if (left?.strayUsernames.length === 0) deleted += 1;
  }
  return deleted;
}

/** Personal data whose retention is over. What is left comes first in the next round. */
async function eraseAllExpired(deps: SweepDeps): Promise<number> {
  const days = deps.personalDataRetentionDays;
  if (days === null) return 0;
  const over = deadline(deps);
  let erased = 0;
  while (!over.aborted) {
    deps.heartbeat?.();
    const since = performance.now();
    const count = await eraseExpired(deps.db, days, ERASED_AT_ONCE);
    erased += count;
    if (count < ERASED_AT_ONCE) break;
    await rest(since, over);
  }
  if (erased > 0) deps.log.info({ registrations: erased }, 'expired personal data erased');
  return erased;
}

async function checkpointTrail(deps: SweepDeps): Promise<number> {
  const over = deadline(deps);
  let covered = 0;
  while (!over.aborted) {
    deps.heartbeat?.();
    const since = performance.now();
    const checkpoint = await makeCheckpoint(deps.db, CHECKPOINT_EVENTS);
    if (!checkpoint) break;
    const { batch, digest, count } = checkpoint;
    // In the log the chain's head is out of reach for those who can rewrite the database.
    deps.log.info({ batch, digest, events: count }, 'audit checkpoint');
    covered += count;
    if (count < CHECKPOINT_EVENTS) break;
    await rest(since, over);
  }
  return covered;
}

async function deliverInstructions(
  deps: SweepDeps,
  instructions: Awaited<ReturnType<typeof undeliveredInstructions>>,
): Promise<number> {
  let delivered = 0;
  const deliver = async (about: object, send: () => Promise<void>): Promise<void> => {
    deps.heartbeat?.();
    if (deps.dryRun || (await delivers(deps, about, send))) delivered += 1;
  };
  const { runs, userRuns } = deps;
  for (const { id, kind } of instructions) {
    await deliver({ registrationId: id }, () =>
      kind === 'cancel' ? runs.cancel(id) : runs.resume(id, 'operator'),
    );
  }
  const ofChanges = await undeliveredChangeInstructions(deps.db, INSTRUCTION_AGE_MS, BATCH);
  for (const { id, userId } of ofChanges) {
    await deliver({ changeId: id }, () => userRuns.wake(userId, 'interrupt'));
  }
  return delivered;
}

/** A reset to where a run waited brings back a run that waits, and the cancel that ended it is not
 * told again. Woken, it asks the row and ends. */
async function endWaiters(deps: SweepDeps): Promise<number> {
  let ended = 0;
  const end = async (about: object, send: () => Promise<void>): Promise<void> => {
    if (deps.dryRun || (await delivers(deps, about, send))) ended += 1;
  };
  const { db, runs, userRuns } = deps;
  for (const id of await closedAmong(db, await runs.waiting(WAITERS))) {
    await end({ registrationId: id }, () => runs.resume(id, 'schedule'));
  }
  for (const userId of await withoutOpenChanges(db, await userRuns.waiting(WAITERS))) {
    await end({ userId }, () => userRuns.wake(userId, 'schedule'));
  }
  return ended;
}

async function delivers(
  { log }: SweepDeps,
  about: object,
  send: () => Promise<void>,
): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    const name = error instanceof Error ? error.name : 'Unknown';
    log.warn({ ...about, error: name }, 'sweep: signal to run failed');
    return false;
  }
}
