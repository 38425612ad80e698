import type { ChangeReceipt } from '../../../changes/schemas.ts';
import { isClosed } from '../../../../domain/status.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import type { Address } from '../../../users/schemas.ts';
import { h, type Content, type Element } from '../../elements.ts';
import {
  actionBar,
  actionLink,
  badge,
  card,
  definitionList,
  mono,
  prose,
  statusBadge,
  timeOf,
} from '../../parts.ts';
import type { Visit } from '../../visit.ts';
import { registrationInWords } from './in-words.ts';
import { changePath, registrationOffers, registrationPath, userPath } from './offers.ts';
import { offerLinks } from './state.ts';

/** What the ledger knows of whoever holds an address. */
interface Holder {
  readonly receipt: Receipt | null;
  /** The deletion that has not finished yet. */
  readonly deletion: ChangeReceipt | null;
}

/** Why an address is free or taken, who holds it, and what frees it. Only for callers who see everybody. */
export async function addressCard(visit: Visit, address: Address): Promise<Element> {
  const holder = await holderOf(visit, address);
  return card(
    { id: 'address', title: 'The address' },
    h.p(
      {},
      address.free ? badge('good', 'free') : badge('attention', 'taken'),
      ' ',
      mono(address.email),
    ),
    h.p({}, prose(inWords(address, holder))),
    definitionList([
      holder.receipt !== null && [
        'Registration',
        [
          h.a({ href: registrationPath(holder.receipt.id) }, 'Open it'),
          ' ',
          statusBadge(holder.receipt.status),
        ],
      ],
      ['User in the pool', poolInWords(address)],
      address.freeFrom !== null && ['Free from', timeOf(address.freeFrom)],
    ]),
    actionBar(whatFrees(visit, address, holder)),
  );
}

async function holderOf({ api }: Visit, { registrationId, reason }: Address): Promise<Holder> {
  if (registrationId === null) return { receipt: null, deletion: null };
  const found = await api.get<Receipt>(`/registrations/${registrationId}`);
  const receipt = found.ok ? found.body : null;
  const userId = receipt?.userId ?? null;
  if (reason !== 'being_deleted' || userId === null) return { receipt, deletion: null };
  const open = 'status=accepted&status=running&status=parked';
  const changes = await api.get<{ items: ChangeReceipt[] }>(`/changes?userId=${userId}&${open}`);
  const deletion = changes.ok ? changes.body.items.find(({ kind }) => kind === 'delete') : null;
  return { receipt, deletion: deletion ?? null };
}

function inWords(address: Address, { receipt, deletion }: Holder): string {
  switch (address.reason) {
    case 'free':
      return address.pool?.exists === true
        ? 'The address can be registered. What an earlier registration left of it in the pool is removed or replaced then.'
        : 'Nobody holds this address: it can be registered.';
    case 'open_registration':
      return [
        'A registration of this address is not finished.',
        receipt ? registrationInWords(receipt).says : '',
        receipt?.failure?.detail ?? '',
        'Retry it to complete it; cancel it to free the address.',
      ].join(' ');
    case 'registered':
      return 'Registrar registered a person with this address. Deleting the person frees the address and the username.';
    case 'unverified_sign_up':
      return 'Somebody signed up with this address and never proved that it is theirs. Registering a person with `replaceUnverified` deletes that account and takes the address over.';
    case 'foreign_user':
      return 'The user pool has a user with this address whom Registrar did not register. Registrar neither changes nor deletes this user: leave the account to whoever made it, or register the person with another address.';
    case 'being_deleted':
      return deletingInWords(receipt, deletion);
    default:
      return address.reason satisfies never;
  }
}

function deletingInWords(receipt: Receipt | null, deletion: ChangeReceipt | null): string {
  if (deletion?.status === 'parked') {
    return 'The person is being deleted, and the deletion is parked. The address is free once the deletion is completed: look at the change, and retry it once the cause is gone.';
  }
  if (receipt?.status === 'cleanup_required') {
    return 'The registration is being undone, and undoing it keeps failing. The address is free once that is done: find the cause, then retry the cleanup.';
  }
  if (deletion) return 'The person is being deleted. The address is free once that is completed.';
  return 'The registration is being undone. The address is free once that is done.';
}

function poolInWords({ pool }: Address): Content {
  if (pool === null) return 'not known: Cognito does not answer';
  if (!pool.exists) return 'none';
  return [
    pool.registeredByUs ? 'registered by Registrar' : 'not registered by Registrar',
    pool.enabled === false ? 'disabled' : 'enabled',
    pool.emailVerified === true ? 'address proved' : 'address not proved',
  ].join(', ');
}

function whatFrees(
  { operator }: Visit,
  { email, reason }: Address,
  { receipt, deletion }: Holder,
): Content {
  const register = (more: string, label: string) =>
    actionLink({
      href: `/console/new?email=${encodeURIComponent(email)}${more}`,
      label,
      kind: 'primary',
      isPage: true,
    });
  switch (reason) {
    case 'free':
      return register('', 'Register this address');
    case 'open_registration':
      return receipt && offerLinks(registrationOffers(receipt));
    case 'registered':
      return receipt && deleteLink(receipt, operator.userId);
    case 'unverified_sign_up':
      return [
        register('&replaceUnverified=1', 'Register and replace the account'),
        receipt && deleteLink(receipt, operator.userId),
      ];
    case 'being_deleted':
      return deletion
        ? actionLink({
            href: changePath(deletion.id),
            label: 'Look at the deletion',
            kind: 'primary',
          })
        : receipt && offerLinks(registrationOffers(receipt));
    case 'foreign_user':
      return null;
    default:
      return reason satisfies never;
  }
}

function deleteLink({ userId, status }: Receipt, operatorId: string): Content {
  if (userId === null || userId === operatorId || !isClosed(status)) return null;
  return actionLink({
    href: userPath(userId, '/delete'),
    label: 'Delete the person',
    kind: 'danger',
  });
}
