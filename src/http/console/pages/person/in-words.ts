import { NOT_CANCELLABLE, type ChangeKind } from '../../../../domain/change.ts';
import { FAILURES, type FailureName } from '../../../../domain/failure.ts';
import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt } from '../../../registrations/schemas.ts';

/** What a registration, or a change, is doing or waits for, as an operator reads it; its failure is
 * shown beside it. */
export interface StateInWords {
  /** A sentence or two. Names in backticks are code. */
  readonly says: string;
  readonly since: string | null;
  /** When it goes on by itself. */
  readonly resumesAt: string | null;
  /** What a person does about it; null: nothing is to be done. Names in backticks are code. */
  readonly remedy: string | null;
}

type Work = Pick<Receipt, 'steps' | 'timeline' | 'failure' | 'resumesAt'>;

const NOT_BEGUN =
  'Accepted, and about to begin. If it does not begin within a minute, see the page System: a worker or Temporal may be away.';

export function registrationInWords(receipt: Receipt): StateInWords {
  const { status, failure, acceptedAt, finishedAt } = receipt;
  const isCancelled = lastOf(receipt, 'registration.cancel_requested') !== null;
  switch (status) {
    case 'accepted':
      return state(isCancelled ? 'A cancel was requested before it began.' : NOT_BEGUN, acceptedAt);
    case 'running':
      return state(
        isCancelled
          ? 'A cancel was requested. The step under way ends first; then everything is undone.'
          : underWay(receipt),
        acceptedAt,
      );
    case 'roles_pending':
      return parked(receipt, lastOf(receipt, 'registration.parked'));
    case 'compensating':
      return state('What was done is being undone.', lastOf(receipt, 'registration.compensating'));
    case 'cleanup_required':
      return {
        ...state(
          'Undoing it keeps failing, and is still tried again, slowly. A person has to find the cause.',
          lastOf(receipt, 'registration.cleanup_required'),
        ),
        // Its failure says why it is undone, and not what stands in the way.
        remedy: remedyOf('manual_cleanup_required'),
      };
    case 'completed':
      return state('Everything is done: the person is registered.', finishedAt);
    case 'failed':
      return {
        ...state('It failed and was undone. Nothing is left behind.', finishedAt),
        remedy: failure && remedyOf(failure.cause),
      };
    case 'cancelled':
      return state('It was cancelled and undone. Nothing is left behind.', finishedAt);
    default:
      return status satisfies never;
  }
}

/** What a change does, as the title of its page. */
export const CHANGE_TITLES: Readonly<Record<ChangeKind, string>> = {
  roles: 'Change of roles',
  disable: 'Disable the account',
  enable: 'Enable the account',
  sign_out: 'End every session',
  delete: 'Delete the account',
};

export function changeInWords(change: ChangeReceipt): StateInWords {
  const { status, kind, failure, acceptedAt, finishedAt } = change;
  const isRestoring =
    lastOf(change, 'change.restoring') !== null ||
    lastOf(change, 'change.cancel_requested') !== null;
  switch (status) {
    case 'accepted':
      return state(
        'Accepted. The changes of one person run one after the other, in the order of their acceptance.',
        acceptedAt,
      );
    case 'running':
      return state(
        isRestoring && !NOT_CANCELLABLE.includes(kind)
          ? 'The person is being put back as before.'
          : underWay(change),
        acceptedAt,
      );
    case 'parked':
      return parked(change, lastOf(change, 'change.parked'));
    case 'completed':
      return state('Everything is done.', finishedAt);
    case 'failed':
      return {
        ...state('The change failed.', finishedAt),
        remedy: failure && remedyOf(failure.cause),
      };
    case 'cancelled':
      return state('The change was cancelled; the person is as before.', finishedAt);
    default:
      return status satisfies never;
  }
}

/** What the failure table tells an operator to do. */
export function remedyOf(cause: FailureName): string {
  return FAILURES[cause].operator;
}

function state(says: string, since: string | null): StateInWords {
  return { says, since, resumesAt: null, remedy: null };
}

function parked({ failure, resumesAt }: Work, since: string | null): StateInWords {
  return {
    says: 'It is parked: a step failed for the whole retry budget. What is done stays done.',
    since,
    resumesAt,
    remedy: failure && remedyOf(failure.cause),
  };
}

function underWay({ steps }: Work): string {
  const retried = steps.find(({ status }) => status === 'retrying');
  if (retried) {
    const error =
      retried.lastError === null ? '' : ` The latest attempt ended with \`${retried.lastError}\`.`;
    return `The step \`${retried.name}\` is being retried (attempt ${retried.attempts}).${error}`;
  }
  const running = steps.find(({ status }) => status === 'running');
  return running ? `The step \`${running.name}\` is under way.` : 'It is running.';
}

/** When an event of this name happened last. */
function lastOf({ timeline }: Pick<Work, 'timeline'>, event: string): string | null {
  return timeline.findLast((entry) => entry.event === event)?.at ?? null;
}
