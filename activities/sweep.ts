import type { Database } from '../src/db/client.ts';
import { publicFailure } from '../src/domain/failure.ts';
import type { Runs } from '../src/domain/runs.ts';
import { isCompensating, isOpenForward } from '../src/domain/status.ts';
import { appendMissingClosings, beginCompensation } from '../src/ledger/compensation.ts';
import { complete, readRow } from '../src/ledger/run.ts';
import { noteSwept, openRows, type OpenRow } from '../src/ledger/sweep.ts';
import { undeliveredWishes } from '../src/ledger/wishes.ts';
import type { IdentityProvider } from './cognito.ts';
import type { SweepReport } from './contract.ts';
import type { StepLog } from './step-context.ts';

/** What one sweep looks at: at one a minute, 500 open rows a minute are looked at. */
const ROWS_PER_SWEEP = 500;
const AT_ONCE = 10;
/** An activity of a run that was ended may still be in flight for this long. */
const AFTER_END_MS = 60_000;
const WISH_AGE_MS = 10_000;
/** A start that is on its way in the background needs no second one. */
const ACCEPTED_AGE_MS = 5000;
const REQUEST_MS = 4000;

export interface SweepDeps {
  readonly db: Database;
  readonly provider: Pick<IdentityProvider, 'readUser'>;
  readonly runs: Runs;
  readonly log: StepLog;
  readonly changed: (registrationId: string) => void;
  /** Says what it would do and does nothing. */
  readonly dryRun?: boolean;
  /** How long after its end a run counts as ended for good. */
  readonly afterEndMs?: number;
}

type Deed = Exclude<keyof SweepReport, 'wishesDelivered' | 'closingsAppended'>;

/** Goes through the open rows and mends what no run takes care of. */
export async function sweep(deps: SweepDeps): Promise<SweepReport> {
  const deeds: Record<Deed, number> = {
    started: 0,
    restarted: 0,
    compensated: 0,
    completed: 0,
    failed: 0,
  };
  const rows = await openRows(deps.db, ROWS_PER_SWEEP);
  for (let at = 0; at < rows.length; at += AT_ONCE) {
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
  return {
    ...deeds,
    wishesDelivered: await deliverWishes(deps),
    closingsAppended: deps.dryRun ? 0 : await appendMissingClosings(deps.db, ROWS_PER_SWEEP),
  };
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
  if (isOpenForward(row.status)) {
    const failure = publicFailure('terminated');
    const cancelled = publicFailure('registration_cancelled');
    const cause = { closesAs: 'failed', failure } as const;
    await beginCompensation(deps.db, row.id, cause, cancelled, {});
    deps.changed(row.id);
  }
  await deps.runs.start(row.id, 'repair');
}

async function completeAfterwards(deps: SweepDeps, open: OpenRow): Promise<Deed | null> {
  const row = await readRow(deps.db, open.id);
  if (!isOpenForward(row.status) || isCompensating(row.status)) return null;
  const user = await deps.provider.readUser(
    row.cognitoUsername ?? row.email,
    AbortSignal.timeout(REQUEST_MS),
  );
  if (user?.mark !== row.id) {
    deps.log.error({ registrationId: row.id }, 'a run completed over an open row without its user');
    return 'failed';
  }
  if (deps.dryRun) return 'completed';
  const { kind } = await complete(deps.db, row.id, row.roles, {});
  deps.changed(row.id);
  return kind === 'completed' ? 'completed' : 'failed';
}

async function deliverWishes(deps: SweepDeps): Promise<number> {
  let delivered = 0;
  for (const { id, kind } of await undeliveredWishes(deps.db, WISH_AGE_MS, ROWS_PER_SWEEP)) {
    try {
      if (!deps.dryRun) {
        await (kind === 'cancel' ? deps.runs.cancel(id) : deps.runs.resume(id, 'operator'));
      }
      delivered += 1;
    } catch (error) {
      const name = error instanceof Error ? error.name : 'Unknown';
      deps.log.warn({ registrationId: id, error: name }, 'sweep: wish not delivered');
    }
  }
  return delivered;
}
