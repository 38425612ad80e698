import type { AppDeps } from '../../../app-deps.ts';
import {
  EVENT_DESTINATIONS,
  OUTBOX_DESTINATIONS,
  type EventDestination,
  type OutboxDestination,
} from '../../../../domain/outbox.ts';
import type { OutboxState } from '../../../../domain/overview.ts';
import { h, type Content } from '../../elements.ts';
import { numberOf } from '../../numbers.ts';
import { actionLink } from '../../parts.ts';
import type { Action, Confirmation, Page, Visit } from '../../visit.ts';

/** Whether the deployment delivers there; calls to Cognito always are. */
export function isConfigured(
  { eventDestinations }: Pick<AppDeps, 'eventDestinations'>,
  destination: OutboxDestination,
): boolean {
  return !isEvent(destination) || eventDestinations.includes(destination);
}

/** Links to what an operator does about the deliveries of a destination; null: nothing. */
export function deliveryActions(
  deps: Pick<AppDeps, 'eventDestinations'>,
  { destination, pending, givenUp }: OutboxState,
): Content {
  if (!isConfigured(deps, destination)) return null;
  const of = `for ${destination}`;
  const path = `/console/system/redeliver?destination=${destination}`;
  const links = [
    pending > 0 && actionLink({ href: `${path}&waiting=true`, label: 'Deliver now', of }),
    givenUp > 0 &&
      isEvent(destination) &&
      actionLink({ href: path, label: 'Deliver again what was given up', of }),
    givenUp > 0 &&
      destination === 'cognito-mail' &&
      actionLink({ href: '/console/invitations', label: 'Open the invitations' }),
  ];
  return links.some(Boolean) ? links : null;
}

/** `/console/system/redeliver?destination=&waiting=` */
export const REDELIVER: Action = {
  confirm: async (visit) => confirmation(visit),
  perform: async (visit) => {
    const { destination, waiting } = sentBy(visit);
    return await visit.api.send('POST', '/outbox/redeliver', { destination, waiting });
  },
  done: (visit, body) => {
    const { due } = body as { due: number };
    const { destination } = sentBy(visit);
    const notice =
      due === 0
        ? `No delivery to ${destination} was left to move.`
        : `Deliveries to ${destination} that are due now: ${numberOf(due)}.`;
    return { to: '/console/system', notice };
  },
};

function confirmation(visit: Visit): Confirmation | Page {
  const { destination, waiting } = sentBy(visit);
  const title = waiting ? 'Deliver now' : 'Deliver again what was given up';
  // A link from elsewhere must not write sentences of a page.
  if (!OUTBOX_DESTINATIONS.some((known) => known === destination)) {
    const main = h.p({}, 'There is no such destination.');
    return { title, section: 'system', status: 422, main };
  }
  return {
    title,
    section: 'system',
    explanation: waiting
      ? `Deliveries to ${destination} that wait for their next attempt are tried at once, each with all its attempts. An invitation that may have been mailed already is left out.`
      : `Deliveries to ${destination} that were given up are tried again, each with all its attempts. The receiver may have had some of them already; it knows them by their id.`,
    asksReason: false,
    button: waiting ? 'Deliver now' : 'Deliver again',
    back: '/console/system',
  };
}

/** The API checks the destination. */
function sentBy({ c }: Visit): { destination: string; waiting: boolean } {
  return {
    destination: c.req.query('destination') ?? '',
    waiting: c.req.query('waiting') === 'true',
  };
}

function isEvent(destination: OutboxDestination): destination is EventDestination {
  return EVENT_DESTINATIONS.some((event) => event === destination);
}
