import { namesRegistration, type Registration } from '../src/domain/registration.ts';
import { attemptsWith } from '../src/domain/step.ts';
import { noteCreateAttempt, noteCreated, noteCreateOutcome } from '../src/ledger/run.ts';
import { isLeftover } from '../src/ledger/sweep.ts';
import type { ProviderUser } from './cognito.ts';
import { mayAct, stepFailure, verdictOn, type StepContext } from './step-context.ts';
import { StepFailure } from './step-failure.ts';

/** No create starts this soon after one without a reply: two at once can both persist. */
const AFTER_LOST_REPLY_MS = 2000;

/**
 * Step createUser. Safe to repeat: the row says whether it is done, and an attempt without a known
 * outcome is followed by a read, whose ownership mark decides.
 * @returns the row; one that no longer goes forward comes back without the user
 * @throws StepFailure, DatabaseError
 */
export async function createUser(ctx: StepContext, row: Registration): Promise<Registration> {
  if (!mayAct(row) || row.createOutcome === 'created') return row;
  if (row.createOutcome === 'taken') throw new StepFailure('email_taken');
  if (row.createAttemptedAt && row.createOutcome === null) {
    const waitMs = row.createAttemptedAt.getTime() + AFTER_LOST_REPLY_MS - Date.now();
    if (waitMs > 0) throw new StepFailure('reply_lost', waitMs);
  }
  if (effectUnknown(row)) {
    const found = await read(ctx, row);
    if (found) return await settle(ctx, row, found, { lastAnswered: false });
  }
  return await create(ctx, row, true);
}

async function create(
  ctx: StepContext,
  row: Registration,
  mayReplaceLeftover: boolean,
): Promise<Registration> {
  await ctx.turn('create');
  const attempted = await noteCreateAttempt(ctx.db, row.id);
  if (!attempted) return { ...row, status: 'compensating' };
  try {
    const created = await ctx.provider.createUser({ ...attempted, mark: row.id }, ctx.signal);
    return await noteCreated(ctx.db, row.id, created, attemptsOf(ctx, row));
  } catch (error) {
    if (!(error instanceof Error) || error.name === 'DatabaseError') throw error;
    return await failed(ctx, attempted, error, mayReplaceLeftover);
  }
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
    if (found) return await settle(ctx, row, found, { lastAnswered: true, mayReplaceLeftover });
    // There, but not to be read yet: whose it is stays open.
    await noteCreateOutcome(ctx.db, row.id, 'errored');
    throw new StepFailure('not_visible_yet');
  }
  if (verdict.kind !== 'fail') throw new StepFailure('unknown_error');
  if (verdict.failure !== 'reply_lost') {
    const open = ['server_error', 'unknown_error'].includes(verdict.failure);
    await noteCreateOutcome(ctx.db, row.id, open ? 'errored' : 'refused');
  }
  throw stepFailure(ctx, verdict.failure);
}

interface SettleOptions {
  /** The latest attempt was answered; otherwise its effect is what is being looked into. */
  readonly lastAnswered: boolean;
  readonly mayReplaceLeftover?: boolean;
}

// AdminGetUser counts as activity for billing: it is asked only where a create may have had an effect.
function effectUnknown(row: Registration): boolean {
  if (!row.createAttemptedAt) return false;
  const answered = row.createOutcome === 'refused' || row.createOutcome === 'taken';
  return !answered || row.createUnansweredAt !== null;
}

/** The address has a user: ours is adopted, our leftover replaced, a stranger's left alone. */
async function settle(
  ctx: StepContext,
  row: Registration,
  found: ProviderUser,
  { lastAnswered, mayReplaceLeftover = true }: SettleOptions,
): Promise<Registration> {
  if (found.mark === row.id) return await noteCreated(ctx.db, row.id, found, attemptsOf(ctx, row));
  const leftover =
    found.mark !== null && namesRegistration(found.mark) && (await isLeftover(ctx.db, found.mark));
  if (!leftover) {
    await noteCreateOutcome(ctx.db, row.id, 'taken', lastAnswered);
    throw new StepFailure('email_taken');
  }
  // Deleted a moment ago, and still to be seen: deleting lags as creating does.
  if (!mayReplaceLeftover) {
    await noteCreateOutcome(ctx.db, row.id, 'errored', lastAnswered);
    throw new StepFailure('not_visible_yet');
  }
  // What the create met is known: should its turn not come, the next attempt reads at once.
  await noteCreateOutcome(ctx.db, row.id, 'errored', lastAnswered);
  await ctx.turn('update');
  ctx.log.warn({ registrationId: row.id, leftoverOf: found.mark }, 'deleting our leftover');
  try {
    await ctx.provider.deleteUser(found.username, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'deleteUser', row, error);
    if (verdict.kind === 'fail') throw stepFailure(ctx, verdict.failure);
  }
  return await create(ctx, row, false);
}

async function read(ctx: StepContext, row: Registration): Promise<ProviderUser | null> {
  try {
    return await ctx.provider.readUser(row.email, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'createUser', row, error);
    throw stepFailure(ctx, verdict.kind === 'fail' ? verdict.failure : 'unknown_error');
  }
}

function attemptsOf(ctx: StepContext, row: Registration): number {
  return attemptsWith(row.steps['createUser'], ctx.attempt);
}
