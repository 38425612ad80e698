import type { ChangeReceipt } from '../../../changes/schemas.ts';
import { isOpenChange, NOT_CANCELLABLE } from '../../../../domain/change.ts';
import { isOpenForward } from '../../../../domain/status.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import type { User } from '../../../users/schemas.ts';

/** Something that can be done now; it leads to a page that asks for a confirmation. */
export interface Offer {
  readonly label: string;
  readonly href: string;
  /** primary: what clears it; danger: takes something away that cannot be given back. */
  readonly kind?: 'primary' | 'danger';
}

/** Cognito's word for an account whose first password was mailed and not replaced yet. */
export const OWES_PASSWORD = 'FORCE_CHANGE_PASSWORD';

export function registrationPath(id: string, rest = ''): string {
  return `/console/registrations/${encodeURIComponent(id)}${rest}`;
}

export function userPath(userId: string, rest = ''): string {
  return `/console/users/${encodeURIComponent(userId)}${rest}`;
}

export function changePath(id: string, rest = ''): string {
  return `/console/changes/${encodeURIComponent(id)}${rest}`;
}

/** What may be done with a registration in its state. */
export function registrationOffers(receipt: Receipt): Offer[] {
  const { id, status } = receipt;
  const offers: Offer[] = [];
  if (status === 'cleanup_required') {
    offers.push({
      label: 'Retry the cleanup',
      href: registrationPath(id, '/retry'),
      kind: 'primary',
    });
  }
  if (!isOpenForward(status) || isBeingCancelled(receipt)) return offers;
  if (status === 'roles_pending') {
    offers.push({ label: 'Retry', href: registrationPath(id, '/retry'), kind: 'primary' });
    offers.push({ label: 'Other roles', href: registrationPath(id, '/roles') });
  }
  offers.push({ label: 'Cancel', href: registrationPath(id, '/cancel'), kind: 'danger' });
  return offers;
}

/** Whether a cancel was requested that the run has not begun to carry out. */
function isBeingCancelled({ timeline }: Receipt): boolean {
  return timeline.some(({ event }) => event === 'registration.cancel_requested');
}

/** Whether a new invitation can be sent. @param user null: the account cannot be read */
export function isInvitationOffered(receipt: Receipt, user: User | null): boolean {
  if (receipt.status !== 'completed') return false;
  if (receipt.steps.some(({ name }) => name === 'setPassword')) return false;
  return user !== null && user.status === OWES_PASSWORD;
}

/**
 * What may be done with the account of a registered person.
 * @param operatorId nobody changes the own account
 */
export function userOffers(receipt: Receipt, user: User, operatorId: string): Offer[] {
  const { userId } = user;
  const offers: Offer[] = [];
  if (isInvitationOffered(receipt, user)) {
    offers.push({
      label: 'Resend the invitation',
      href: registrationPath(receipt.id, '/invitation'),
    });
  }
  if (userId === operatorId) return offers;
  // Nobody who signed up and never proved the address gets a role.
  if (receipt.door !== 'signup' || user.emailVerified || user.roles.length > 0) {
    offers.push({ label: 'Roles', href: userPath(userId, '/roles') });
  }
  offers.push(
    user.enabled
      ? { label: 'Disable', href: userPath(userId, '/disable') }
      : { label: 'Enable', href: userPath(userId, '/enable') },
    { label: 'Sign out', href: userPath(userId, '/sign-out') },
    { label: 'Delete', href: userPath(userId, '/delete'), kind: 'danger' },
  );
  return offers;
}

/** What may be done with a change in its state. */
export function changeOffers(change: ChangeReceipt, operatorId: string): Offer[] {
  const { id, kind, status, userId, timeline } = change;
  if (!isOpenChange(status) || userId === operatorId) return [];
  const offers: Offer[] = [];
  if (status === 'parked')
    offers.push({ label: 'Retry', href: changePath(id, '/retry'), kind: 'primary' });
  const isRestoring = timeline.some(
    ({ event }) => event === 'change.restoring' || event === 'change.cancel_requested',
  );
  if (!isRestoring && (status === 'accepted' || !NOT_CANCELLABLE.includes(kind))) {
    offers.push({ label: 'Cancel the change', href: changePath(id, '/cancel') });
  }
  return offers;
}
