import { Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import type { FailureName } from '../../src/domain/failure.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import type { Runs, UserRuns } from '../../src/domain/runs.ts';
import type { Telemetry } from '../../src/domain/telemetry.ts';
import { recordComparison } from '../../src/ledger/compare.ts';
import { DatabaseError } from '../../src/ledger/database-error.ts';
import { classify } from '../../src/cognito/classify.ts';
import { comparePool } from './compare-pool.ts';
import type { BackgroundActivities, Comparison } from '../contract.ts';
import { ProviderError } from '../../src/cognito/provider-error.ts';
import { accountQuota, withInvitationQuota, type Quotas } from '../quota.ts';
import { relay, type RelayDeps } from '../relay/relay-loop.ts';
import { resumeDue } from './resume-due.ts';
import { ledgerSeenUsers } from './seen-users.ts';
import { StepFailure, toApplicationFailure } from '../step-failure.ts';
import { sweep } from './sweep.ts';

export interface BackgroundActivityDeps extends Omit<RelayDeps, 'acquireQuota'> {
  readonly quotas: Quotas;
  readonly runs: Runs;
  readonly userRuns: UserRuns;
  readonly telemetry: Telemetry;
  readonly profiles: ProfileService | null;
  readonly personalDataRetentionDays: number | null;
}

export function createBackgroundActivities(deps: BackgroundActivityDeps): BackgroundActivities {
  /** Nothing but a named failure leaves: a driver's message would stay readable in Temporal. */
  async function named<T>(activity: string, work: (beat: () => void) => Promise<T>): Promise<T> {
    const { attempt } = Context.current().info;
    try {
      return await work(() => Context.current().heartbeat());
    } catch (error) {
      if (error instanceof CancelledFailure) throw error;
      const failure = failureOf(error);
      const fields = { activity, error: error instanceof Error ? error.name : 'Unknown' };
      deps.log.warn({ ...fields, failure }, 'background work failed');
      throw toApplicationFailure(new StepFailure(failure), attempt, true);
    }
  }
  return {
    // Repeatable: a second sweep finds less to do.
    sweep: () => named('sweep', (heartbeat) => sweep({ ...deps, heartbeat })),
    // Repeatable: a signal to a run that is not parked is nothing.
    resumeDue: () => named('resumeDue', (heartbeat) => resumeDue(deps, heartbeat)),
    // Repeatable: a delivery is marked after it was made, its id deduplicates, and a second
    // invitation replaces the first.
    relay: () =>
      named('relay', (heartbeat) => {
        const provider = withInvitationQuota(deps.provider, deps.quotas);
        const over = AbortSignal.any([deps.stopping, Context.current().cancellationSignal]);
        const acquireQuota = accountQuota(deps.quotas);
        return relay({ ...deps, provider, acquireQuota, stopping: over }, heartbeat);
      }),
    // Repeatable: it changes neither pool nor registrations, and a killed one goes on from its page.
    comparePool: (from) =>
      named('comparePool', async () => {
        const { info, cancellationSignal } = Context.current();
        const left = (info.heartbeatDetails ?? from) as Comparison | null;
        const stopping = AbortSignal.any([deps.stopping, cancellationSignal]);
        const heartbeat = (at: Comparison) => Context.current().heartbeat(at);
        const seenUsers = ledgerSeenUsers(deps.db);
        const at = await comparePool({ ...deps, stopping, heartbeat, seenUsers }, left);
        if (at.stage === 'done') await recordComparison(deps.db, at);
        return at;
      }),
  };
}

function failureOf(error: unknown): FailureName {
  if (error instanceof DatabaseError) return 'database_unavailable';
  if (!(error instanceof ProviderError)) return 'unknown_error';
  const lag = { sinceCreatedMs: null, graceMs: 0, parkedBefore: false };
  const verdict = classify('comparePool', error, lag);
  return verdict.kind === 'fail' ? verdict.failure : 'unknown_error';
}
