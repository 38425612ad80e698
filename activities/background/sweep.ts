import type { Database } from '../../src/db/client.ts';
import { publicFailure, type FailureName } from '../../src/domain/failure.ts';
import { owesPassword, type Registration } from '../../src/domain/registration.ts';
import type { Runs } from '../../src/domain/runs.ts';
import { isClosed, isOpenForward } from '../../src/domain/status.ts';
import type { Telemetry } from '../../src/domain/telemetry.ts';
import {
  appendUnrecordedEvents,
  beginCompensation,
  closeRegistration,
} from '../../src/ledger/registrations/compensation.ts';
import { recordCreated } from '../../src/ledger/registrations/create-attempt.ts';
import { databaseNow } from '../../src/ledger/registrations/row.ts';
import { complete, readRow } from '../../src/ledger/registrations/transitions.ts';
import {
  closedAmong,
  endedRunSeenForMs,
  recordSwept,
  openRows,
  rowsWithStrays,
  type OpenRow,
} from '../../src/ledger/registrations/sweep.ts';
import { recordPasswordSet, wipeExpiredSeals } from '../../src/ledger/registrations/password.ts';
import { makeCheckpoint } from '../../src/ledger/audit/checkpoint.ts';
import { undeliveredInstructions } from '../../src/ledger/registrations/instructions.ts';
import type { IdentityProvider } from '../../src/cognito/adapter.ts';
import type { SweepReport } from '../contract.ts';
import { deleteUser } from '../registration/delete-user.ts';
import type { Quotas } from '../quota.ts';
import { addRole, confirmRoles, removeRole } from '../registration/roles.ts';
import { deleteStrays } from '../registration/stray-users.ts';
import type { StepContext, StepLog } from '../step-context.ts';

const BATCH = 500;
/** A round ends well before its activity does; what is left comes first in the next one. */
const ROUND_MS = 5 * 60_000;
const AT_ONCE = 10;
/** An activity of a run that was ended may still be in flight for this long. */
const AFTER_END_MS = 60_000;
const INSTRUCTION_AGE_MS = 10_000;
/** Of the runs that wait, the latest started: one that a reset made is among them. */
const WAITERS = 1000;
/** A start that is on its way in the background needs no second one. */
const ACCEPTED_AGE_MS = 5000;
/** For all that one row needs of Cognito: half of the round's heartbeat time-out. */
const ROW_MS = 10_000;
/** Events of one checkpoint: read and hashed well within a statement's time. */
const CHECKPOINT_EVENTS = 1000;

export interface SweepDeps {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly quotas: Quotas;
  readonly propagationGraceSeconds: number;
  readonly runs: Runs;
  readonly log: StepLog;
  readonly telemetry: Telemetry;
  readonly changed: (registrationId: string) => void;
  /** Says what it would do and does nothing. */
  readonly dryRun?: boolean;
  /** How long after its end a run counts as ended for good. */
  readonly afterEndMs?: number;
  readonly stopping?: AbortSignal;
  readonly heartbeat?: () => void;
}

type RepairAction = Exclude<
  keyof SweepReport,
  | 'instructionsDelivered'
  | 'waitersEnded'
  | 'eventsAppended'
  | 'eventsCheckpointed'
  | 'sealsWiped'
  | 'straysDeleted'
>;

/** Goes through the open rows and mends what no run takes care of. */
export async function sweep(deps: SweepDeps): Promise<SweepReport> {
  const none = { started: 0, restarted: 0, compensated: 0, completed: 0, failed: 0 };
  const actions: Record<RepairAction, number> = { ...none };
  const roundStart = await databaseNow(deps.db);
  const until = performance.now() + ROUND_MS;
  const over = () => performance.now() > until || deps.stopping?.aborted;
  // First: nothing that fails below keeps a password.
  const goesOn = () => {
    deps.heartbeat?.();
    return !over();
  };
  const sealsWiped = deps.dryRun ? 0 : await wipeExpiredSeals(deps.db, goesOn);
  while (!over()) {
    const rows = await openRows(deps.db, BATCH, roundStart);
    if (rows.length === 0) break;
    for (let at = 0; at < rows.length && !over(); at += AT_ONCE) {
      deps.heartbeat?.();
      const batch = rows.slice(at, at + AT_ONCE);
      for (const action of await Promise.all(batch.map((row) => repair(deps, row)))) {
        if (action) actions[action] += 1;
      }
      const ids = batch.map(({ id }) => id);
      if (!deps.dryRun) await recordSwept(deps.db, ids);
    }
    // A dry run marks nothing, so it would meet the same rows again.
    if (deps.dryRun) break;
  }
  return {
    ...actions,
    instructionsDelivered: await deliverInstructions(deps),
    waitersEnded: await endWaiters(deps),
    eventsAppended: deps.dryRun ? 0 : await appendUnrecordedEvents(deps.db, BATCH),
    eventsCheckpointed: deps.dryRun ? 0 : await checkpointTrail(deps, over),
    sealsWiped,
    straysDeleted: await deleteAllStrays(deps),
  };
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

async function checkpointTrail(deps: SweepDeps, over: () => boolean | undefined): Promise<number> {
  let covered = 0;
  while (!over()) {
    deps.heartbeat?.();
    const checkpoint = await makeCheckpoint(deps.db, CHECKPOINT_EVENTS);
    if (!checkpoint) break;
    const { batch, digest, count } = checkpoint;
    // In the log the chain's head is out of reach for those who can rewrite the database.
    deps.log.info({ batch, digest, events: count }, 'audit checkpoint');
    covered += count;
    if (count < CHECKPOINT_EVENTS) break;
  }
  return covered;
}

async function repair(deps: SweepDeps, row: OpenRow): Promise<RepairAction | null> {
  try {
    return await repairOne(deps, row);
  } catch (error) {
    // One row must not keep the sweep from the others; the next sweep comes.
    const name = error instanceof Error ? error.name : 'Unknown';
    deps.log.warn(
      { registrationId: row.id, error: name },
      'sweep: registration skipped after an error',
    );
    return 'failed';
  }
}

async function repairOne(deps: SweepDeps, row: OpenRow): Promise<RepairAction | null> {
  if (row.status === 'accepted' && row.ageMs < ACCEPTED_AGE_MS) return null;
  const run = await deps.runs.describe(row.id);
  switch (run.kind) {
    case 'open':
      return null;
    case 'not_found':
      if (!deps.dryRun) await deps.runs.start(row.id, 'first');
      return row.status === 'accepted' ? 'started' : 'restarted';
    case 'ended': {
      const seenForMs = await endedRunSeenForMs(deps.db, row.id, run.runId, !deps.dryRun);
      if (seenForMs < (deps.afterEndMs ?? AFTER_END_MS)) return null;
      if (!deps.dryRun) await compensateByRun(deps, row);
      return 'compensated';
    }
    case 'completed':
      return await completeAfterwards(deps, row);
  }
}

// The ended run cannot compensate. So the row becomes `compensating` first; a new run with the same id
// then only compensates.
async function compensateByRun(deps: SweepDeps, row: OpenRow): Promise<void> {
  if (isOpenForward(row.status)) await beginSweptCompensation(deps, row.id, 'terminated');
  await deps.runs.start(row.id, 'repair');
}

// The row lost what the run had done: a failover, or a backup. The user in the pool decides.
async function completeAfterwards(deps: SweepDeps, open: OpenRow): Promise<RepairAction | null> {
  const row = await readRow(deps.db, open.id);
  if (isClosed(row.status)) return null;
  const ctx = contextOf(deps, row.id);
  const user = await deps.provider.readUser(row.cognitoUsername ?? row.email, ctx.signal);
  const whole =
    user?.mark === row.id && isOpenForward(row.status) && row.instruction?.kind !== 'cancel';
  if (deps.dryRun) return whole ? 'completed' : 'compensated';
  if (!whole) {
    // The id may be started again only after a failed run: the row is closed without one.
    return (await compensateHere(deps, ctx, row, 'terminated')) ? 'compensated' : null;
  }
  const known =
    row.createOutcome === 'created' ? row : await recordCreated(deps.db, row.id, user, null, 1);
  // The run completed, so the password was set. The person may have changed it since: it is not set again.
  if (owesPassword(row)) await recordPasswordSet(deps.db, row.id, 1);
  for (const role of row.rolesTouched) {
    if (!row.roles.includes(role)) await removeRole(ctx, row.id, role);
  }
  for (const role of row.roles) await addRole(ctx, known, role);
  // Where the grace is not over, the next sweep comes.
  if (await confirmRoles(ctx, row.id)) return null;
  const { kind } = await complete(deps.db, row.id, row.roles, {}, deps.telemetry.statusChanged);
  deps.changed(row.id);
  if (kind !== 'completed')
    deps.log.error({ registrationId: row.id, kind }, 'sweep: completing the registration failed');
  return kind === 'completed' ? 'completed' : 'failed';
}

/** @returns false while a create may still land: the next sweep goes on */
async function compensateHere(
  deps: SweepDeps,
  ctx: StepContext,
  row: Registration,
  failure: FailureName,
): Promise<boolean> {
  if (isOpenForward(row.status)) await beginSweptCompensation(deps, row.id, failure);
  const wait = await deleteUser(ctx, row.id);
  const closed =
    wait === null &&
    isClosed((await closeRegistration(deps.db, row.id, deps.telemetry.statusChanged)).status);
  deps.changed(row.id);
  return closed;
}

function contextOf(deps: SweepDeps, id: string): StepContext {
  const signal = AbortSignal.timeout(ROW_MS);
  return {
    db: deps.db,
    provider: deps.provider,
    // Where no call is free soon, the next sweep tries again.
    acquireQuota: deps.quotas.acquirer({
      registrationId: id,
      queuesAs: null,
      withinMs: ROW_MS,
      signal,
    }),
    log: deps.log,
    telemetry: deps.telemetry,
    attempt: 1,
    slow: true,
    graceMs: deps.propagationGraceSeconds * 1000,
    unreadableAfterMs: 0,
    signal,
  };
}

async function beginSweptCompensation(
  deps: SweepDeps,
  id: string,
  failure: FailureName,
): Promise<void> {
  const cause = { closesAs: 'failed', failure: publicFailure(failure) } as const;
  const cancelled = publicFailure('registration_cancelled');
  await beginCompensation(deps.db, id, cause, cancelled, {}, deps.telemetry.statusChanged);
  deps.changed(id);
}

async function deliverInstructions(deps: SweepDeps): Promise<number> {
  let delivered = 0;
  for (const { id, kind } of await undeliveredInstructions(deps.db, INSTRUCTION_AGE_MS, BATCH)) {
    const by = kind === 'cancel' ? 'cancel' : 'operator';
    if (deps.dryRun || (await delivers(deps, id, by))) delivered += 1;
  }
  return delivered;
}

/** A reset to where a run waited brings back a run that waits, and the cancel that ended it is not
 * told again. Woken, it asks the row and ends. */
async function endWaiters(deps: SweepDeps): Promise<number> {
  let ended = 0;
  for (const id of await closedAmong(deps.db, await deps.runs.waiting(WAITERS))) {
    if (deps.dryRun || (await delivers(deps, id, 'schedule'))) ended += 1;
  }
  return ended;
}

async function delivers(
  { runs, log }: SweepDeps,
  registrationId: string,
  what: 'cancel' | 'operator' | 'schedule',
): Promise<boolean> {
  try {
    await (what === 'cancel' ? runs.cancel(registrationId) : runs.resume(registrationId, what));
    return true;
  } catch (error) {
    const name = error instanceof Error ? error.name : 'Unknown';
    log.warn({ registrationId, error: name }, 'sweep: signal to run failed');
    return false;
  }
}
