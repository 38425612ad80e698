import type { Database } from '../../../../db/client.ts';
import type { OutboxDestination } from '../../../../domain/outbox.ts';
import {
  deliveriesOfPerson,
  type PersonDelivery,
} from '../../../../ledger/outbox/deliveries-of-person.ts';
import { DELIVERED_KEPT_DAYS } from '../../../../ledger/outbox/prune.ts';
import { readRegistration } from '../../../../ledger/registrations/read.ts';
import { h, type Content, type Element } from '../../elements.ts';
import { badge, card, dataTable, mono, none, timeOf } from '../../parts.ts';
import type { Visit } from '../../visit.ts';

const KINDS: Readonly<Record<PersonDelivery['kind'], string>> = {
  invitation: 'Invitation',
  password_recovery: 'Mail for a forgotten password',
  sign_out: 'End of all sessions, if the password was reset',
  password_reset: 'End of all sessions after a reset of the password',
  password_change: 'End of all other sessions, if the password was changed',
  'user.created': 'Event user.created',
  'user.email_verified': 'Event user.email_verified',
  'user.password_changed': 'Event user.password_changed',
  'user.roles_changed': 'Event user.roles_changed',
  'user.disabled': 'Event user.disabled',
  'user.enabled': 'Event user.enabled',
  'user.deleted': 'Event user.deleted',
};

const DESTINATIONS: Readonly<Record<OutboxDestination, string>> = {
  amqp: 'RabbitMQ',
  webhook: 'webhook',
  'cognito-mail': 'mail by Cognito',
  'cognito-recovery': 'mail by Cognito',
  'cognito-sign-out': 'Cognito',
};

/** What others were told, or are to be told, about a person.
 * @param registrationId one that the API has just shown to this operator */
export async function deliveriesCard(
  db: Database,
  { operator }: Visit,
  registrationId: string,
): Promise<Element> {
  const row = await readRegistration(db, registrationId);
  const deliveries = row ? await deliveriesOfPerson(db, row) : [];
  return card(
    { id: 'deliveries', title: 'Deliveries' },
    dataTable<PersonDelivery>({
      caption: 'Deliveries, newest first',
      rows: deliveries,
      empty: h.p({}, 'Nothing was sent about this person, or it was delivered long ago.'),
      columns: [
        { head: 'What', cell: ({ kind }) => KINDS[kind] },
        {
          head: 'To',
          cell: ({ destination }) => (destination ? DESTINATIONS[destination] : none('nobody yet')),
        },
        { head: 'State', cell: stateOf },
        { head: 'When', cell: whenOf },
        { head: 'Attempts', isNumber: true, cell: ({ attempts }) => attempts },
        // As in the overview of the API: what a destination answers is for operators of everything.
        ...(operator.grants === '*'
          ? [
              {
                head: 'Last error',
                cell: ({ lastError }: PersonDelivery) =>
                  lastError === null ? none() : mono(lastError),
              },
            ]
          : []),
        { head: 'Occurred', cell: ({ occurredAt }) => timeOf(occurredAt.toISOString()) },
      ],
    }),
    h.p(
      { class: 'dim' },
      `What was delivered everywhere is kept for ${DELIVERED_KEPT_DAYS} days. `,
      operator.grants === '*' && [
        h.a({ href: '/console/system' }, 'System'),
        ' shows all destinations, and delivers at once what waits.',
      ],
    ),
  );
}

function stateOf({ destination, deliveredAt, givenUpAt, attempts }: PersonDelivery): Content {
  if (deliveredAt !== null) return badge('good', 'delivered');
  if (givenUpAt !== null) return badge('urgent', 'given up');
  if (destination === null) return badge('off', 'no destination');
  return attempts > 0 ? badge('attention', 'is tried again') : badge('waiting', 'pending');
}

function whenOf({ deliveredAt, givenUpAt, nextAttemptAt }: PersonDelivery): Content {
  return timeOf((deliveredAt ?? givenUpAt ?? nextAttemptAt)?.toISOString() ?? null);
}
