import type { Receipt } from '../../../registrations/schemas.ts';
import { isUuid } from '../../../request/fields.ts';
import { h, type Content, type Element } from '../../elements.ts';
import type { Visit } from '../../visit.ts';
import { card, dataTable, mono, none, timeOf } from '../../parts.ts';

type Entry = Receipt['timeline'][number];

/** What happened, newest first: who did it and why. */
export function timelineCard(timeline: Receipt['timeline'], operator: Visit['operator']): Element {
  return card(
    { id: 'timeline', title: 'Timeline' },
    dataTable<Entry>({
      caption: 'Timeline, newest first',
      rows: timeline.toReversed(),
      empty: h.p({}, 'Nothing is recorded yet.'),
      columns: [
        { head: 'Event', cell: ({ event }) => h.code({}, event) },
        { head: 'When', cell: ({ at }) => timeOf(at) },
        { head: 'By', cell: ({ actor }) => actorOf(actor, operator) },
        { head: 'Reason', cell: ({ details }) => textOf(details['reason']) ?? none() },
        { head: 'Details', cell: detailsOf },
      ],
    }),
  );
}

/** A person by a link to what Registrar knows of them. */
export function actorOf(actor: string, operator: Visit['operator']): Content {
  if (actor === operator.userId) return `you (${operator.name})`;
  return isUuid(actor) ? h.a({ href: `/console/person?q=${actor}` }, mono(actor)) : mono(actor);
}

function detailsOf({ details }: Entry): Content {
  const shown = Object.entries(details).filter(
    ([name]) => name !== 'reason' && name !== 'changeId',
  );
  if (shown.length === 0) return none();
  return h.ul(
    { class: 'details' },
    shown.map(([name, value]) => h.li({}, `${name}: `, textOf(value) ?? none())),
  );
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  if (Array.isArray(value)) return value.length === 0 ? null : value.map(textOf).join(', ');
  if (typeof value === 'string') return value;
  if (typeof value !== 'object') return JSON.stringify(value);
  const pairs = Object.entries(value).map(([name, one]) => `${name}: ${textOf(one) ?? 'none'}`);
  return pairs.join(', ');
}
