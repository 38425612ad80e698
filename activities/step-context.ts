import type { Database } from '../src/db/client.ts';
import type { FailureName } from '../src/domain/failure.ts';
import type { Registration } from '../src/domain/registration.ts';
import { isOpenForward } from '../src/domain/status.ts';
import type { Telemetry } from '../src/domain/telemetry.ts';
import { nowOf } from '../src/ledger/registrations/row.ts';
import type { Sessions } from '../src/domain/session.ts';
import type { Sealing } from '../src/secrets/sealing.ts';
import type { Secret } from '../src/secrets/secret.ts';
import { classify, type Lag, type ProviderStep, type Verdict } from '../src/cognito/classify.ts';
import type { IdentityProvider } from '../src/cognito/adapter.ts';
import { toProviderError, ProviderError } from '../src/cognito/provider-error.ts';
import type { AcquireQuota } from './quota.ts';
import { StepFailure } from './step-failure.ts';

/** What the steps log through; pino fits. */
export interface StepLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What one attempt of a step works with. */
export interface StepContext {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly graceMs: number;
  /** How long createUser waits, at least, for a user that exists but cannot be read. */
  readonly unreadableAfterMs: number;
  /** Called before each write to Cognito: waits until this deployment's quota allows it. */
  readonly acquireQuota: AcquireQuota;
  /** Aborts when the attempt's time is up: no call outlives its activity. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** The policy's own interval is longer than any hint of ours. */
  readonly slow: boolean;
  readonly log: StepLog;
  readonly telemetry: Telemetry;
}

/** Of a step that needs the password. */
export interface PasswordContext extends StepContext {
  readonly sealing: Pick<Sealing, 'open'>;
  /** Of our app client; null: this process has none. */
  readonly sessions: Pick<Sessions<Secret>, 'signIn' | 'mailCode' | 'revoke'> | null;
  /** What public mails may take of the mailer's day; null: no bound. */
  readonly publicMailsPerDay: number | null;
}

/** Whose account a step is about, and how long the user has been there. */
export interface StepSubject extends Pick<
  Registration,
  'id' | 'userCreatedAt' | 'parkedAt' | 'readAt' | 'cognitoUsername'
> {
  /** Of a step of a later change. */
  readonly changeId?: string;
}

/** Doubling from 200 ms, at most 10 s, and between half of it and all: a throttle hits everybody at
 * once, and without jitter everybody would come back at once. */
export function jitteredBackoffMs(attempt: number): number {
  const base = Math.min(10_000, 200 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(base * (0.5 + Math.random() / 2));
}

export function verdictOn(
  ctx: StepContext,
  step: ProviderStep,
  row: StepSubject,
  thrown: unknown,
): Verdict {
  const error = thrown instanceof ProviderError ? thrown : toProviderError(thrown);
  const verdict = classify(step, error, lagOf(ctx, row));
  const about = { registrationId: row.id, ...(row.changeId && { changeId: row.changeId }) };
  const fields = { ...about, step, error: error.name, status: error.httpStatus };
  if (verdict.kind === 'fail' && verdict.failure === 'unknown_error') {
    ctx.log.error(fields, 'unknown provider error');
  } else {
    ctx.log.info({ ...fields, verdict }, 'provider error');
  }
  return verdict;
}

export function stepFailure(ctx: StepContext, failure: FailureName): StepFailure {
  return new StepFailure(
    failure,
    failure === 'throttled' && !ctx.slow ? jitteredBackoffMs(ctx.attempt) : null,
  );
}

/** The row goes forward and nobody wants it cancelled; otherwise no step may act. */
export function mayAct(row: Registration): boolean {
  return isOpenForward(row.status) && row.instruction?.kind !== 'cancel';
}

function lagOf(ctx: StepContext, row: StepSubject): Lag {
  return {
    sinceCreatedMs: row.userCreatedAt ? nowOf(row) - row.userCreatedAt.getTime() : null,
    graceMs: ctx.graceMs,
    parkedBefore: row.parkedAt !== null,
  };
}
