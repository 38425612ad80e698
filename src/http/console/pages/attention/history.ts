import { DatabaseError } from '../../../../ledger/database-error.ts';
import {
  HISTORY_BOUND,
  HISTORY_SPANS,
  readHistory,
  type History,
  type HistorySpan,
} from '../../../../ledger/registrations/history.ts';
import type { AppDeps } from '../../../app-deps.ts';
import { barTable, columnChart } from '../../charts.ts';
import { h, type Content } from '../../elements.ts';
import { card, mono } from '../../parts.ts';
import type { Visit } from '../../visit.ts';

const NAMES: Readonly<Record<HistorySpan, string>> = {
  day: 'Last 24 hours',
  fortnight: 'Last 14 days',
};

/** Charts of the registrations of the past, for callers that see all of them. */
export async function historyCards({ db }: Pick<AppDeps, 'db'>, { c }: Visit): Promise<Content> {
  const span: HistorySpan = c.req.query('span') === 'fortnight' ? 'fortnight' : 'day';
  const history = await readHistory(db, span).catch(unlessAway);
  if (history === null) {
    return card(
      { id: 'history', title: 'Registrations over time' },
      h.p({}, 'The database did not count the registrations in time. Open the page again later.'),
    );
  }
  return h.div({ class: 'columns' }, [outcomes(history, span), failures(history, span)]);
}

/** What needs a person must be shown even if the charts take too long. */
function unlessAway(error: unknown): null {
  if (error instanceof DatabaseError && !error.definitive) return null;
  throw error;
}

function outcomes({ intervals }: History, span: HistorySpan): Content {
  const { unit } = HISTORY_SPANS[span];
  return card(
    { id: 'history', title: 'Registrations over time', actions: spanLinks(span) },
    columnChart({
      caption: `${NAMES[span]}, by the ${unit} (UTC) in which a registration was accepted and by what has become of it.`,
      labels: intervals.map(({ startsAt }) => labelOf(startsAt, span)),
      unit,
      series: [
        { name: 'Completed', tone: 'good', values: intervals.map(({ completed }) => completed) },
        {
          name: 'Failed or cancelled',
          tone: 'bad',
          values: intervals.map(({ ended }) => ended),
        },
        { name: 'Open', tone: 'busy', values: intervals.map(({ open }) => open) },
      ],
      bound: HISTORY_BOUND,
    }),
  );
}

function failures({ failureCodes }: History, span: HistorySpan): Content {
  return card(
    { id: 'failures', title: 'Failure codes' },
    h.p({ class: 'dim' }, `${NAMES[span]}: what registrations failed with, or are parked for.`),
    barTable({
      caption: 'Failure codes',
      head: 'Code',
      counted: 'Registrations',
      rows: failureCodes.map(({ code, count }) => ({
        label: h.a({ href: `/console/registrations?failureCode=${code}` }, mono(code)),
        value: count,
      })),
      bound: HISTORY_BOUND,
      empty: 'No registration failed or is parked.',
    }),
  );
}

function spanLinks(shown: HistorySpan): Content {
  return h.ul(
    { class: 'spans' },
    Object.entries(NAMES).map(([span, name]) =>
      h.li(
        {},
        h.a(
          {
            href: `/console?span=${span}#history`,
            'aria-current': span === shown ? 'true' : undefined,
          },
          name,
        ),
      ),
    ),
  );
}

/** `2026-11-27 21:00`, or the day alone. */
function labelOf(startsAt: Date, span: HistorySpan): string {
  const iso = startsAt.toISOString();
  return span === 'day' ? `${iso.slice(0, 10)} ${iso.slice(11, 16)}` : iso.slice(0, 10);
}
