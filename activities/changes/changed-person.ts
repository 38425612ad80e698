import type { Change } from '../../src/domain/change.ts';
import type { Registration } from '../../src/domain/registration.ts';
import { readChangeRow } from '../../src/ledger/changes/transitions.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import type { ProviderUser } from '../../src/cognito/adapter.ts';
import type { ProviderStep } from '../../src/cognito/classify.ts';
import { ProviderError } from '../../src/cognito/provider-error.ts';
import { usernameOf } from '../registration/created-user.ts';
import { stepFailure, verdictOn, type StepContext, type StepSubject } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';

/** A change, and whose account it is about. */
export interface ChangedPerson {
  readonly change: Change;
  /** Of the registration that created the user. */
  readonly subject: StepSubject;
}

export async function readChanged(ctx: StepContext, changeId: string): Promise<ChangedPerson> {
  const change = await readChangeRow(ctx.db, changeId);
  const row = await readRow(ctx.db, change.registrationId);
  return { change, subject: subjectOf(row, change) };
}

// The registration is complete: after the grace a missing user is asked for, as of one that parked.
function subjectOf(row: Registration, change: Change): StepSubject {
  return { ...row, changeId: change.id, parkedAt: row.finishedAt };
}

/**
 * The user of a person; null: deleted outside Registrar, or by an earlier attempt.
 * @throws StepFailure while a new user may not be visible yet, and where the user is another one
 */
export async function readPerson(
  ctx: StepContext,
  { change, subject }: ChangedPerson,
): Promise<ProviderUser | null> {
  const user = await asked(ctx, 'readUser', subject, (signal) =>
    ctx.provider.readUser(usernameOf(subject), signal),
  );
  if (!user) {
    const since = subject.userCreatedAt?.getTime() ?? 0;
    if (nowOf(subject) - since < ctx.graceMs) throw new StepFailure('not_visible_yet');
    return null;
  }
  if (user.mark !== subject.id || user.sub !== change.userId) {
    throw new StepFailure('mark_differs');
  }
  return user;
}

/** Reads of the pool, named where they fail. @throws StepFailure */
export async function asked<T>(
  ctx: StepContext,
  step: ProviderStep,
  subject: StepSubject,
  read: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await read(ctx.signal);
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const verdict = verdictOn(ctx, step, subject, error);
    throw stepFailure(ctx, verdict.kind === 'fail' ? verdict.failure : 'unknown_error');
  }
}
