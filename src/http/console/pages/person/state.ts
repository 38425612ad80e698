import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import { h, type Attributes, type Content } from '../../elements.ts';
import {
  actionBar,
  actionLink,
  definitionList,
  mono,
  prose,
  statusBadge,
  timeOf,
  wordsOf,
} from '../../parts.ts';
import { FOLLOWS } from '../../live-receipt.ts';
import type { Visit } from '../../visit.ts';
import { CHANGE_TITLES, changeInWords, type StateInWords } from './in-words.ts';
import { changeOffers, type Offer } from './offers.ts';

/** Attributes of a part that console.js reads again until these changes have ended or parked. */
export function followed(changes: readonly ChangeReceipt[]): Attributes {
  const isUnderWay = changes.some(({ status }) => status === 'accepted' || status === 'running');
  const says = changes.map(({ kind, status }) => `${CHANGE_TITLES[kind]}: ${wordsOf(status)}.`);
  return {
    [FOLLOWS]: '',
    'data-unfinished': isUnderWay ? '' : undefined,
    'data-says': says.length > 0 ? says.join(' ') : 'No change is under way.',
  };
}

/** The state of a change: what it waits for, and what may be done about it. */
export function changeState({ operator }: Visit, change: ChangeReceipt): Content {
  const { status, failure } = change;
  return [
    h.p({}, statusBadge(status)),
    wordsOfState(changeInWords(change)),
    failure !== null &&
      status !== 'cancelled' &&
      h.p(
        {},
        prose(failure.detail),
        ' ',
        h.a({ href: `/problems/${failure.code}` }, h.code({}, failure.code)),
      ),
    offerBar(changeOffers(change, operator.userId)),
  ];
}

export function wordsOfState({ says, since, resumesAt, remedy }: StateInWords): Content {
  return [
    h.p({}, prose(says)),
    definitionList([
      ['Since', timeOf(since)],
      resumesAt !== null && ['Resumes', timeOf(resumesAt)],
    ]),
    remedy !== null && h.p({}, h.strong({}, 'What to do: '), prose(remedy)),
  ];
}

/** The actions that are possible now. */
export function offerBar(offers: readonly Offer[]): Content {
  return offers.length === 0 ? null : actionBar(offerLinks(offers));
}

export function offerLinks(offers: readonly Offer[]): Content {
  return offers.map(({ label, href, kind }) => actionLink({ href, label, kind }));
}

export function workflowLink({ id, url }: Receipt['workflow']): Content {
  if (url === null) return mono(id);
  return h.a({ href: url, rel: 'noreferrer' }, mono(id), ' in the Temporal UI');
}
