import type { Database } from '../src/db/client.ts';
import type { Runs } from '../src/domain/runs.ts';
import { resumeDue } from './resume-due.ts';
import type { BackgroundActivities } from './contract.ts';
import type { IdentityProvider } from './cognito.ts';
import { relayInvitations } from './relay.ts';
import type { StepLog } from './step-context.ts';
import { sweep } from './sweep.ts';
import { heartbeat } from '@temporalio/activity';

export interface BackgroundActivityDeps {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly runs: Runs;
  readonly log: StepLog;
  readonly changed: (registrationId: string) => void;
  readonly propagationGraceSeconds: number;
  /** The process is on its way out: what lasts long ends at once and goes on elsewhere. */
  readonly stopping: AbortSignal;
}

export function createBackgroundActivities(deps: BackgroundActivityDeps): BackgroundActivities {
  return {
    // Repeatable: a second sweep finds less to do.
    sweep: () => sweep(deps),
    // Repeatable: a signal to a run that is not parked is nothing.
    resumeDue: () => resumeDue(deps, heartbeat),
    // Repeatable: a delivery is marked after it was made, and a second invitation replaces the first.
    relay: () => relayInvitations(deps, heartbeat),
  };
}
