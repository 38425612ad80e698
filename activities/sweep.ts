import type { Database } from '../src/db/client.ts';
import { publicFailure, type FailureName } from '../src/domain/failure.ts';
import { owesPassword, type Registration } from '../src/domain/registration.ts';
import type { Runs } from '../src/domain/runs.ts';
import { isClosed, isOpenForward } from '../src/domain/status.ts';
import type { Tally } from '../src/domain/tally.ts';
import { appendUnrecordedEvents, beginCompensation, close } from '../src/ledger/compensation.ts';
import { notePasswordSet, wipeOldSeals } from '../src/ledger/password.ts';
import { complete, done, noteCreated, readRow } from '../src/ledger/run.ts';
import { sealAuditEvents } from '../src/ledger/seal.ts';
import { closedAmong, noteSwept, openRows, type OpenRow } from '../src/ledger/sweep.ts';
import { undeliveredWishes } from '../src/ledger/wishes.ts';
import type { IdentityProvider } from './cognito.ts';
import type { SweepReport } from './contract.ts';
import { deleteUser } from './delete-user.ts';
import type { Quotas } from './quota.ts';
import { addRole, removeRole } from './roles.ts';
import type { StepContext, StepLog } from './step-context.ts';

const BATCH = 500;
/** A round ends well before its activity does; what is left comes first in the next one. */
const ROUND_MS = 5 * 60_000;
const AT_ONCE = 10;
/** An activity of a run that was ended may still be in flight for this long. */
const AFTER_END_MS = 60_000;
const WISH_AGE_MS = 10_000;
/** Of the runs that wait, the latest started: one that a reset made is among them. */
const WAITERS = 1000;
/** A start that is on its way in the background needs no second one. */
const ACCEPTED_AGE_MS = 5000;
/** For all that one row needs of Cognito: half of the round's heartbeat time-out. */
const ROW_MS = 10_000;
/** Events under one seal: read and hashed well within a statement's time. */
const SEAL_BATCH = 1000;
/** A password that could not be set for so long is wiped, and its registration taken back. */
const SEALED_AGE_MS = 24 * 3_600_000;

export interface SweepDeps {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly quotas: Quotas;
  readonly propagationGraceSeconds: number;
  readonly runs: Runs;
  readonly log: StepLog;
  readonly tally: Tally;
  readonly changed: (registrationId: string) => void;
  /** Says what it would do and does nothing. */
  readonly dryRun?: boolean;
  /** How long after its end a run counts as ended for good. */
  readonly afterEndMs?: number;
  readonly stopping?: AbortSignal;
  readonly heartbeat?: () => void;
}

type Deed = Exclude<
  keyof SweepReport,
  'wishesDelivered' | 'waitersEnded' | 'eventsAppended' | 'eventsSealed' | 'sealsWiped'
>;

/** Goes through the open rows and mends what no run takes care of. */
export async function sweep(deps: SweepDeps): Promise<SweepReport> {
  const deeds: Record<Deed, number> = {
    started: 0,
    restarted: 0,
    compensated: 0,
    completed: 0,
    failed: 0,
  };
  const roundStart = new Date();
  const over = () => Date.now() - roundStart.getTime() > ROUND_MS || deps.stopping?.aborted;
  // First: nothing that fails below keeps a password.
  const sealsWiped = deps.dryRun ? 0 : await wipeSeals(deps, over);
  while (!over()) {
    const rows = await openRows(deps.db, BATCH, roundStart);
    if (rows.length === 0) break;
    for (let at = 0; at < rows.length && !over(); at += AT_ONCE) {
      deps.heartbeat?.();
      const batch = rows.slice(at, at + AT_ONCE);
      for (const deed of await Promise.all(batch.map((row) => tend(deps, row)))) {
        if (deed) deeds[deed] += 1;
      }
      if (!deps.dryRun)
        await noteSwept(
          deps.db,
          batch.map(({ id }) => id),
        );
    }
    // A dry run marks nothing, so it would meet the same rows again.
    if (deps.dryRun) break;
  }
  return {
    ...deeds,
    wishesDelivered: await deliverWishes(deps),
    waitersEnded: await endWaiters(deps),
    eventsAppended: deps.dryRun ? 0 : await appendUnrecordedEvents(deps.db, BATCH),
    eventsSealed: deps.dryRun ? 0 : await sealTrail(deps, over),
    sealsWiped,
  };
}

async function wipeSeals(deps: SweepDeps, over: () => boolean | undefined): Promise<number> {
  let wiped = 0;
  while (!over()) {
    deps.heartbeat?.();
    const count = await wipeOldSeals(deps.db, SEALED_AGE_MS, BATCH);
    wiped += count;
    if (count < BATCH) break;
  }
  return wiped;
}

async function sealTrail(deps: SweepDeps, over: () => boolean | undefined): Promise<number> {
  let sealed = 0;
  while (!over()) {
    deps.heartbeat?.();
    const count = await sealAuditEvents(deps.db, SEAL_BATCH);
    sealed += count;
    if (count < SEAL_BATCH) break;
  }
  return sealed;
}

async function tend(deps: SweepDeps, row: OpenRow): Promise<Deed | null> {
  try {
    return await tendOne(deps, row);
  } catch (error) {
    // One row must not keep the sweep from the others; the next sweep comes.
    const name = error instanceof Error ? error.name : 'Unknown';
    deps.log.warn({ registrationId: row.id, error: name }, 'sweep: row skipped');
    return 'failed';
  }
}

async function tendOne(deps: SweepDeps, row: OpenRow): Promise<Deed | null> {
  if (row.status === 'accepted' && Date.now() - row.acceptedAt.getTime() < ACCEPTED_AGE_MS) {
    return null;
  }
  const run = await deps.runs.describe(row.id);
  switch (run.kind) {
    case 'open':
      return null;
    case 'not_found':
      if (!deps.dryRun) await deps.runs.start(row.id, 'first');
      return row.status === 'accepted' ? 'started' : 'restarted';
    case 'ended':
      if (Date.now() - run.closedAt.getTime() < (deps.afterEndMs ?? AFTER_END_MS)) return null;
      if (!deps.dryRun) await takeBack(deps, row);
      return 'compensated';
    case 'completed':
      return await completeAfterwards(deps, row);
  }
}

// The ended run cannot: the row says compensating, and the same id started again only compensates.
async function takeBack(deps: SweepDeps, row: OpenRow): Promise<void> {
  if (isOpenForward(row.status)) await begin(deps, row.id, 'terminated');
  await deps.runs.start(row.id, 'repair');
}

// The row lost what the run had done: a failover, or a backup. The user in the pool decides.
async function completeAfterwards(deps: SweepDeps, open: OpenRow): Promise<Deed | null> {
  const row = await readRow(deps.db, open.id);
  if (isClosed(row.status)) return null;
  const ctx = contextOf(deps, row.id);
  const user = await deps.provider.readUser(row.cognitoUsername ?? row.email, ctx.signal);
  const whole = user?.mark === row.id && isOpenForward(row.status) && row.wish?.kind !== 'cancel';
  if (deps.dryRun) return whole ? 'completed' : 'compensated';
  if (!whole) {
    // The id may be started again only after a failed run: the row is closed without one.
    await compensateHere(deps, ctx, row, 'terminated');
    return 'compensated';
  }
  const known = row.createOutcome === 'created' ? row : await noteCreated(deps.db, row.id, user, 1);
  // A run completes over a completed row only: it was set, and may be another by now.
  if (owesPassword(row)) await notePasswordSet(deps.db, row.id, 1);
  for (const role of row.rolesTouched) {
    if (!row.roles.includes(role)) await removeRole(ctx, row.id, role);
  }
  for (const role of row.roles) await addRole(ctx, known, role);
  const { kind } = await complete(deps.db, row.id, row.roles, {}, deps.tally.moved);
  deps.changed(row.id);
  if (kind !== 'completed')
    deps.log.error({ registrationId: row.id, kind }, 'sweep: not completed');
  return kind === 'completed' ? 'completed' : 'failed';
}

async function compensateHere(
  deps: SweepDeps,
  ctx: StepContext,
  row: Registration,
  failure: FailureName,
): Promise<void> {
  if (isOpenForward(row.status)) await begin(deps, row.id, failure);
  await deleteUser(ctx, row.id);
  await close(deps.db, row.id, done(1), deps.tally.moved);
  deps.changed(row.id);
}

function contextOf(deps: SweepDeps, id: string): StepContext {
  const signal = AbortSignal.timeout(ROW_MS);
  return {
    db: deps.db,
    provider: deps.provider,
    // Where no call is free soon, the next sweep tries again.
    turn: deps.quotas.acquirer({ registrationId: id, queuesAs: null, withinMs: ROW_MS, signal }),
    log: deps.log,
    tally: deps.tally,
    attempt: 1,
    slow: true,
    graceMs: deps.propagationGraceSeconds * 1000,
    signal,
  };
}

async function begin(deps: SweepDeps, id: string, failure: FailureName): Promise<void> {
  const cause = { closesAs: 'failed', failure: publicFailure(failure) } as const;
  const cancelled = publicFailure('registration_cancelled');
  await beginCompensation(deps.db, id, cause, cancelled, {}, deps.tally.moved);
  deps.changed(id);
}

async function deliverWishes(deps: SweepDeps): Promise<number> {
  let delivered = 0;
  for (const { id, kind } of await undeliveredWishes(deps.db, WISH_AGE_MS, BATCH)) {
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
    log.warn({ registrationId, error: name }, 'sweep: run not told');
    return false;
  }
}
