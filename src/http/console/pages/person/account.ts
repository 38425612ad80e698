import type { Database } from '../../../../db/client.ts';
import { sessionsEndedAt } from '../../../../ledger/token-cutoffs.ts';
import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import type { User } from '../../../users/schemas.ts';
import type { ApiAnswer } from '../../call-api.ts';
import { h, type Content, type Element } from '../../elements.ts';
import { badge, card, definitionList, mono, none, problemBox, timeOf } from '../../parts.ts';
import type { Visit } from '../../visit.ts';
import { OWES_PASSWORD, userOffers } from './offers.ts';
import { offerBar } from './state.ts';

export const OWN_ACCOUNT = 'This is your own account. Nobody may change their own account here.';

/** What of a person's history ended all sessions. */
const ENDS_SESSIONS = ['user.signed_out_everywhere', 'user.password_reset', 'user.disabled'];

interface Account {
  readonly receipt: Receipt;
  /** What `GET /users/{userId}` answers. */
  readonly answer: ApiAnswer<User>;
  readonly changes: readonly ChangeReceipt[];
}

/** The account in the pool, as it is now, and what may be done with it. */
export async function accountCard(
  db: Database,
  { operator }: Visit,
  { receipt, answer, changes }: Account,
): Promise<Element> {
  if (!answer.ok) {
    return card({ id: 'account', title: 'Account' }, whyUnknown(receipt, answer));
  }
  const user = answer.body;
  const names = [user.firstName, user.lastName].filter((name) => name !== null);
  return card(
    { id: 'account', title: 'Account' },
    definitionList([
      ['E-mail', [mono(user.email), ' ', provedBadge(user)]],
      ['Username', user.username],
      ['Name', names.length > 0 ? names.join(' ') : null],
      ['Roles', user.roles.length > 0 ? user.roles.join(', ') : none()],
      [
        'State',
        [
          enabledBadge(user),
          ' ',
          mono(user.status),
          user.status === OWES_PASSWORD && ': chooses a password at the first sign-in',
        ],
      ],
      ['Sessions last ended', await sessionsEnded(db, user.userId, receipt, changes)],
      ['Created', timeOf(user.createdAt)],
      ['User id', mono(user.userId)],
      receipt.profileId !== null && ['Profile id', mono(receipt.profileId)],
    ]),
    user.userId === operator.userId && h.p({ class: 'dim' }, OWN_ACCOUNT),
    isBeingDeleted(changes)
      ? h.p({ class: 'dim' }, 'The account is being deleted, so nothing else can be done with it.')
      : offerBar(userOffers(receipt, user, operator.userId)),
  );
}

function isBeingDeleted(changes: readonly ChangeReceipt[]): boolean {
  return changes.some(({ kind, finishedAt }) => kind === 'delete' && finishedAt === null);
}

function whyUnknown({ userId }: Receipt, answer: ApiAnswer<User> & { ok: false }): Content {
  if (answer.problem.status !== 404) return problemBox(answer.problem);
  return [
    h.p(
      {},
      'There is no account in the pool that you may see: it was deleted, or the person has roles beyond your grants.',
    ),
    definitionList([['User id', userId === null ? null : mono(userId)]]),
  ];
}

function enabledBadge({ enabled }: User): Element {
  return enabled ? badge('good', 'enabled') : badge('off', 'disabled');
}

function provedBadge({ emailVerified }: User): Element {
  return emailVerified ? badge('good', 'proved') : badge('waiting', 'not proved');
}

/** Cognito lists no sessions; the ledger knows when all of them were ended. */
async function sessionsEnded(
  db: Database,
  userId: string,
  { timeline }: Receipt,
  changes: readonly ChangeReceipt[],
): Promise<Content> {
  const cutoff = await sessionsEndedAt(db, userId);
  const events = [timeline, ...changes.map((change) => change.timeline)]
    .flat()
    .filter(({ event }) => ENDS_SESSIONS.includes(event));
  const times = [...events.map(({ at }) => at), ...(cutoff ? [cutoff.toISOString()] : [])];
  const last = times.toSorted().at(-1);
  return last === undefined ? none('never') : timeOf(last);
}
