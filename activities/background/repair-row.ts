import type { Database } from '../../src/db/client.ts';
import { publicFailure, type FailureName } from '../../src/domain/failure.ts';
import { mayHaveProfile, owesProfile } from '../../src/domain/profile.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import { emailOf, owesPassword, type Registration } from '../../src/domain/registration.ts';
import type { Runs, UserRuns } from '../../src/domain/runs.ts';
import { isClosed, isOpenForward } from '../../src/domain/status.ts';
import type { Telemetry } from '../../src/domain/telemetry.ts';
import {
  beginCompensation,
  closeRegistration,
} from '../../src/ledger/registrations/compensation.ts';
import { recordCreated } from '../../src/ledger/registrations/create-attempt.ts';
import { complete, readRow } from '../../src/ledger/registrations/transitions.ts';
import {
  endedRunSeenForMs,
  type OpenKind,
  type OpenRow,
} from '../../src/ledger/registrations/sweep.ts';
import { recordPasswordSet } from '../../src/ledger/registrations/password.ts';
import type { IdentityProvider } from '../../src/cognito/adapter.ts';
import type { SweepReport } from '../contract.ts';
import { createProfile } from '../registration/create-profile.ts';
import { deleteProfile, deleteStrayProfile } from '../registration/delete-profile.ts';
import { deleteUser } from '../registration/delete-user.ts';
import type { Quotas } from '../quota.ts';
import { addRole, confirmRoles, removeRole } from '../registration/roles.ts';
import type { StepContext, StepLog } from '../step-context.ts';

/** An activity of a run that was ended may still be in flight for this long. */
const AFTER_END_MS = 60_000;
/** A start that is on its way in the background needs no second one. */
export const ACCEPTED_AGE_MS = 5000;
/** For all that one row needs of Cognito: half of the round's heartbeat time-out. */
const ROW_MS = 10_000;

export interface SweepDeps {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly profiles: ProfileService | null;
  readonly quotas: Quotas;
  readonly propagationGraceSeconds: number;
  /** null: personal data of failed and cancelled registrations is kept. */
  readonly personalDataRetentionDays: number | null;
  readonly runs: Runs;
  readonly userRuns: UserRuns;
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

export type RepairAction = Exclude<
  keyof SweepReport,
  | 'instructionsDelivered'
  | 'waitersEnded'
  | 'eventsAppended'
  | 'eventsCheckpointed'
  | 'sealsWiped'
  | 'straysDeleted'
  | 'strayProfilesDeleted'
  | 'registrationsErased'
>;

/** Mends one row; null: nothing was to be done. */
export async function repair(
  deps: SweepDeps,
  row: OpenRow,
  kind: OpenKind,
): Promise<RepairAction | null> {
  try {
    return await repairOne(deps, row, kind);
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

async function repairOne(
  deps: SweepDeps,
  row: OpenRow,
  kind: OpenKind,
): Promise<RepairAction | null> {
  if (row.status === 'accepted' && row.ageMs < ACCEPTED_AGE_MS) return null;
  const run = await deps.runs.describe(row.id);
  switch (run.kind) {
    case 'open':
      return null;
    case 'not_found':
      // Nobody waits for what is neither new nor asked for.
      if (!deps.dryRun) await deps.runs.start(row.id, kind === 'any' ? 'lost' : 'first');
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
  const user = await deps.provider.readUser(row.cognitoUsername ?? emailOf(row), ctx.signal);
  const whole =
    user?.mark === row.id && isOpenForward(row.status) && row.instruction?.kind !== 'cancel';
  if (deps.dryRun) return whole ? 'completed' : 'compensated';
  if (!whole) {
    // It was created, though the row may no longer know.
    if (lostProfile(row)) await deleteStrayProfile(ctx, row);
    // The id may be started again only after a failed run: the row is closed without one.
    return (await compensateHere(deps, ctx, row, 'terminated')) ? 'compensated' : null;
  }
  const known =
    row.createOutcome === 'created' ? row : await recordCreated(deps.db, row.id, user, null, 1);
  // The run completed, so the password was set. The person may have changed it since: it is not set again.
  if (owesPassword(row)) await recordPasswordSet(deps.db, row.id, 1);
  // It was created before too: the service answers with the same profile.
  if (!(await hasProfile(ctx, row.id))) return null;
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

function lostProfile(row: Registration): boolean {
  return row.wantsProfile && row.profileDeletedAt === null && !mayHaveProfile(row);
}

async function hasProfile(ctx: StepContext, id: string): Promise<boolean> {
  return !owesProfile(await createProfile(ctx, await readRow(ctx.db, id)));
}

/** @returns false while a create may still land: the next sweep goes on */
async function compensateHere(
  deps: SweepDeps,
  ctx: StepContext,
  row: Registration,
  failure: FailureName,
): Promise<boolean> {
  if (isOpenForward(row.status)) await beginSweptCompensation(deps, row.id, failure);
  const wait = (await deleteProfile(ctx, row.id)) ?? (await deleteUser(ctx, row.id));
  const closed =
    wait === null &&
    isClosed((await closeRegistration(deps.db, row.id, deps.telemetry.statusChanged)).status);
  deps.changed(row.id);
  return closed;
}

export function contextOf(deps: SweepDeps, id: string): StepContext {
  const signal = AbortSignal.timeout(ROW_MS);
  return {
    db: deps.db,
    provider: deps.provider,
    profiles: deps.profiles,
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
