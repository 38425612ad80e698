import {
  AFTER_OPEN_CREATE_MS,
  CREDENTIALS_REFUSED_MS,
  lastCreateIsOpen,
  openCreateAt,
} from '../../src/domain/create-attempt.ts';
import { isProved } from '../../src/domain/email.ts';
import type { FailureName } from '../../src/domain/failure.ts';
import { emailOf, namesRegistration, type Registration } from '../../src/domain/registration.ts';
import { attemptsWith } from '../../src/domain/step.ts';
import {
  recordCreateAttempt,
  recordCreated,
  recordCreateOutcome,
  type RecordedOutcome,
  type RecordedUser,
} from '../../src/ledger/registrations/create-attempt.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import { isLeftover } from '../../src/ledger/registrations/sweep.ts';
import { refusesCredentials } from '../../src/cognito/classify.ts';
import type { ProviderUser } from '../../src/cognito/adapter.ts';
import { toProviderError } from '../../src/cognito/provider-error.ts';
import {
  jitteredBackoffMs,
  mayAct,
  stepFailure,
  verdictOn,
  type StepContext,
} from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';
import { replaceAccount } from './replace-account.ts';
import { deleteStrays } from './stray-users.ts';

/** An earlier create is too young for the next one. No failure and no attempt: the run waits. */
export class TooEarly extends Error {
  override readonly name = 'TooEarly';
  readonly waitMs: number;

  constructor(waitMs: number) {
    super('an earlier create may still take effect');
    this.waitMs = waitMs;
  }
}

/**
 * Step createUser. Safe to repeat: the row says whether it is done, and an attempt without a known
 * outcome is followed by a read, whose ownership mark decides.
 * @returns the row; one that no longer goes forward comes back without the user
 * @throws StepFailure, TooEarly, QuotaSpent, DatabaseError
 */
export async function createUser(ctx: StepContext, row: Registration): Promise<Registration> {
  if (!mayAct(row) || row.createOutcome === 'created') return row;
  if (row.createOutcome === 'taken') throw new StepFailure('email_taken');
  if (row.replaces !== null && row.replacement !== 'deleted') {
    const replaced = await replaceOther(ctx, row);
    return replaced.replacement === 'deleted' ? await createUser(ctx, replaced) : replaced;
  }
  if (lastCreateIsOpen(row)) {
    const attemptedAt = row.createAttemptedAt?.getTime() ?? 0;
    const waitMs = attemptedAt + AFTER_OPEN_CREATE_MS - nowOf(row);
    if (waitMs > 0) throw new TooEarly(Math.ceil(waitMs));
  }
  if (mayExist(row)) {
    const found = await read(ctx, row);
    if (found) return await settle(ctx, row, found, { answered: !lastCreateIsOpen(row) });
  }
  return await create(ctx, row, true);
}

/** @returns the row; one that was decided since goes no further */
async function replaceOther(ctx: StepContext, row: Registration): Promise<Registration> {
  const replaced = await replaceAccount(ctx, row);
  if (replaced.kind === 'wait') throw new TooEarly(replaced.waitMs);
  if (replaced.kind !== 'proved') return replaced.row;
  await record(ctx, replaced.row, { outcome: 'taken' });
  throw new StepFailure('email_taken');
}

async function create(
  ctx: StepContext,
  row: Registration,
  mayReplaceLeftover: boolean,
): Promise<Registration> {
  await ctx.acquireQuota('create');
  const attempted = await recordCreateAttempt(ctx.db, row);
  if (!attempted) return await overtaken(ctx, row);
  const created = await callCreate(ctx, attempted, mayReplaceLeftover);
  if ('row' in created) return created.row;
  return await keepUser(ctx, attempted, created.user, attempted.createAttempt);
}

/**
 * The call to Cognito of an attempt that the row has recorded.
 * @returns the user, which the caller records; or the row, where the user exists already and is recorded
 * @throws StepFailure, QuotaSpent, DatabaseError
 */
export async function callCreate(
  ctx: StepContext,
  attempted: Registration,
  mayReplaceLeftover = true,
): Promise<{ readonly user: RecordedUser } | { readonly row: Registration }> {
  try {
    return {
      user: await ctx.provider.createUser(
        { ...attempted, email: emailOf(attempted), mark: attempted.id },
        ctx.signal,
      ),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { row: await failed(ctx, attempted, error, mayReplaceLeftover) };
  }
}

/** Another caller recorded the next attempt, or the row was decided: its row says what holds now. */
async function overtaken(ctx: StepContext, { id }: Registration): Promise<Registration> {
  const row = await readRow(ctx.db, id);
  if (!mayAct(row) || row.createOutcome === 'created') return row;
  throw new TooEarly(AFTER_OPEN_CREATE_MS);
}

async function failed(
  ctx: StepContext,
  row: Registration,
  error: Error,
  mayReplaceLeftover: boolean,
): Promise<Registration> {
  const verdict = verdictOn(ctx, 'createUser', row, error);
  if (verdict.kind === 'read') {
    const found = await read(ctx, row);
    if (found) return await settle(ctx, row, found, { answered: true, mayReplaceLeftover });
    // An undelivered message comes after the user was made: it exists, and is not visible yet.
    const exists = error.name !== 'CodeDeliveryFailureException';
    return await unreadable(ctx, row, exists ? 'exists' : 'errored');
  }
  if (verdict.kind !== 'fail') throw new StepFailure('unknown_error');
  const { failure } = verdict;
  if (failure === 'reply_lost') throw openFailure(ctx, failure);
  const open = ['server_error', 'unknown_error'].includes(failure);
  const credentials = failure === 'provider_refused' && refusesCredentials(toProviderError(error));
  const known = await record(ctx, row, { outcome: open ? 'errored' : 'refused', credentials });
  if (open) throw openFailure(ctx, failure);
  throw stepFailure(ctx, failure === 'provider_refused' ? refusal(ctx, known) : failure);
}

/** The user may exist all the same: the next attempt comes no sooner than it may. */
function openFailure(ctx: StepContext, failure: FailureName): StepFailure {
  const backoffMs = jitteredBackoffMs(ctx.attempt);
  return new StepFailure(failure, ctx.slow ? null : Math.max(AFTER_OPEN_CREATE_MS, backoffMs));
}

/** Whose the user is stays open: nobody can be read under the address. */
async function unreadable(
  ctx: StepContext,
  row: Registration,
  outcome: 'exists' | 'errored',
): Promise<never> {
  const known = await record(ctx, row, { outcome });
  const since = known.existsSince?.getTime();
  const spent =
    since !== undefined && nowOf(known) - since >= Math.max(ctx.graceMs, ctx.unreadableAfterMs);
  throw new StepFailure(spent ? 'exists_unreadable' : 'not_visible_yet');
}

/** A refusal decides only where no earlier attempt may still have made the user; one of credentials
 * only when it has held for a while. */
function refusal(ctx: StepContext, row: Registration): 'provider_refused' | 'refused_for_now' {
  const openAt = openCreateAt(row);
  if (openAt !== null && nowOf(row) - openAt < ctx.graceMs) return 'refused_for_now';
  const since = row.credentialsRefusedSince?.getTime();
  const young = since !== undefined && nowOf(row) - since < CREDENTIALS_REFUSED_MS;
  return young ? 'refused_for_now' : 'provider_refused';
}

interface SettleOptions {
  /** The latest attempt was answered; otherwise its effect is what is being looked into. */
  readonly answered: boolean;
  readonly mayReplaceLeftover?: boolean;
}

// AdminGetUser counts as activity for billing: it is asked only where a create may have had an effect,
// or met a user.
function mayExist(row: Registration): boolean {
  return openCreateAt(row) !== null || row.createOutcome === 'exists';
}

/** The address has a user: ours is adopted, our leftover replaced, a stranger's left alone. */
async function settle(
  ctx: StepContext,
  row: Registration,
  found: ProviderUser,
  { answered, mayReplaceLeftover = true }: SettleOptions,
): Promise<Registration> {
  if (found.mark === row.id) return await keepUser(ctx, row, found, null);
  const { mark, sub: userId } = found;
  const leftover =
    mark !== null &&
    namesRegistration(mark) &&
    (await isLeftover(ctx.db, { mark, userId, isProved: isProved(found, emailOf(row)) }));
  if (!leftover) {
    await record(ctx, row, { outcome: 'taken', answered });
    throw new StepFailure('email_taken');
  }
  // What the create met is known: should there be no quota now, the next attempt reads at once.
  const known = await record(ctx, row, { outcome: 'exists', answered });
  // Deleted a moment ago, and still to be seen: deleting lags as creating does.
  if (!mayReplaceLeftover) throw new StepFailure('not_visible_yet');
  await ctx.acquireQuota('update');
  ctx.log.warn(
    { registrationId: row.id, leftoverOf: found.mark },
    'deleting a user left by an earlier registration',
  );
  try {
    await ctx.provider.deleteUser(found.username, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'deleteUser', row, error);
    if (verdict.kind === 'fail') throw stepFailure(ctx, verdict.failure);
  }
  return await create(ctx, known, false);
}

/** Records the user; one that came too late, or second, is deleted at once. */
export async function keepUser(
  ctx: StepContext,
  row: Registration,
  user: RecordedUser,
  attempt: number | null,
): Promise<Registration> {
  const known = await recordCreated(ctx.db, row.id, user, attempt, attemptsOf(ctx, row));
  return known.strayUsernames.length > 0 ? await deleteStrays(ctx, known) : known;
}

async function record(
  ctx: StepContext,
  row: Registration,
  outcome: Omit<RecordedOutcome, 'attempt'>,
): Promise<Registration> {
  return await recordCreateOutcome(ctx.db, row.id, { attempt: row.createAttempt, ...outcome });
}

async function read(ctx: StepContext, row: Registration): Promise<ProviderUser | null> {
  try {
    return await ctx.provider.readUser(emailOf(row), ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'createUser', row, error);
    const failure = verdict.kind === 'fail' ? verdict.failure : 'unknown_error';
    // What was created is not known: a refused read says nothing about it.
    throw stepFailure(ctx, failure === 'provider_refused' ? 'refused_for_now' : failure);
  }
}

function attemptsOf(ctx: StepContext, row: Registration): number {
  return attemptsWith(row.steps['createUser'], ctx.attempt);
}
