import { isClosed, isOpenForward, type RegistrationStatus } from '../../domain/status.ts';
import type { Receipt } from '../registrations/schemas.ts';
import { h, type Content, type Element } from './elements.ts';
import { icon, type Tone } from './icons.ts';
import { absolute, mono, prose, statusBadge, timeOf, wordsOf } from './parts.ts';
import { sagaPicture, summaryOf } from './saga-picture.ts';
import { fullLabel, shownSaga, stateWords, type ShownStep } from './saga-steps.ts';

const MEANINGS: Readonly<Record<RegistrationStatus, string>> = {
  accepted: 'Stored. The run has not started yet.',
  running: 'In progress.',
  roles_pending:
    'Parked: the user exists, but a step failed for the whole retry budget. What is done stays done.',
  compensating: 'Being undone.',
  cleanup_required: 'The registration failed, and undoing it keeps failing.',
  completed: 'The user and all roles are there.',
  failed: 'Failed for good. Nothing is left behind.',
  cancelled: 'Cancelled. Nothing is left behind.',
};

const ERASED =
  'The registration was completed. The person was deleted since, and personal data is erased; ids and the audit trail stay.';

/** Attribute of an element with an id: console.js reads it again when the status changes. */
export const FOLLOWS = 'data-follows';

/**
 * The part of a registration's page that follows the registration: status, picture, and what is wrong.
 * While the registration is open, console.js replaces it by what `/console/registrations/:id/stream` sends;
 * without JavaScript there is a link.
 */
export function liveReceipt(receipt: Receipt, now = new Date()): Element {
  const { id, status, failure, resumesAt, compensationFailures } = receipt;
  const isErased = status === 'completed' && receipt.email === null;
  const page = `/console/registrations/${encodeURIComponent(id)}`;
  const isOpen = !isClosed(status);
  const shown = shownSaga(receipt);
  const steps = [...shown.forward.flatMap((stage) => stage.steps), ...shown.undo];
  return h.section(
    {
      class: 'card live',
      id: 'live',
      'aria-label': 'Progress',
      'data-stream': isOpen ? `${page}/stream` : undefined,
      'data-status': status,
      'data-says': `Status: ${wordsOf(status)}. ${summaryOf(shown)}`,
    },
    h.div(
      { class: 'headline' },
      statusBadge(status),
      h.span({}, isErased ? ERASED : MEANINGS[status]),
      resumesAt !== null && h.span({ class: 'dim' }, 'Resumes ', timeOf(resumesAt, now)),
    ),
    failure !== null &&
      failureBox(failure.detail, failure.code, isOpenForward(status) ? 'attention' : 'bad'),
    sagaPicture(receipt),
    troubles(steps, receipt, now),
    compensationFailures.length > 0 &&
      h.section(
        { 'aria-labelledby': 'stuck' },
        h.h2({ id: 'stuck' }, 'What prevents the undo'),
        h.ul(
          { class: 'troubles' },
          compensationFailures.map(({ step, code, detail }) =>
            h.li({}, h.span({}, stuckStep(steps, step, now), prose(detail), ' ', codeLink(code))),
          ),
        ),
      ),
    isOpen && [
      h.p({ class: 'dim follows', hidden: true }, 'This part follows the registration by itself.'),
      h.p(
        { class: 'dim lost' },
        `As of ${absolute(now)}. `,
        h.a({ class: 'button plain', href: page }, 'Refresh'),
      ),
    ],
  );
}

/** What prevents the undo, as the picture names it. */
function stuckStep(steps: readonly ShownStep[], name: string, now: Date): Content {
  const step = steps.find((one) => one.name === name);
  if (step === undefined) return [mono(name), ': '];
  return [
    h.strong({}, fullLabel(step)),
    `: ${stateWords(step)}. `,
    step.nextRetryAt !== null && ['Next attempt ', timeOf(step.nextRetryAt, now), '. '],
  ];
}

/** The steps whose last attempt failed, but for what is said elsewhere. */
function troubles(
  steps: readonly ShownStep[],
  { failure, compensationFailures }: Receipt,
  now: Date,
): Content {
  const stuck = new Set(compensationFailures.map(({ step }) => step));
  const failing = steps.filter(
    ({ name, lastError, nextRetryAt, status }) =>
      lastError !== null &&
      status !== 'done' &&
      !stuck.has(name) &&
      (lastError !== failure?.code || nextRetryAt !== null),
  );
  if (failing.length === 0) return null;
  return h.ul(
    { class: 'troubles' },
    failing.map((step) =>
      h.li(
        { class: `tone-${step.tone}` },
        icon(step.tone),
        h.span(
          { class: 'trouble' },
          h.strong({}, fullLabel(step)),
          `: ${stateWords(step)}. Last error `,
          step.lastError !== null && codeLink(step.lastError),
          step.nextRetryAt !== null && ['. Next attempt ', timeOf(step.nextRetryAt, now)],
        ),
      ),
    ),
  );
}

function failureBox(detail: string, code: string, tone: Tone): Element {
  return h.div(
    { class: `problem tone-${tone}` },
    h.p({ class: 'problem-title' }, icon(tone), h.span({}, prose(detail))),
    h.p({ class: 'dim' }, codeLink(code)),
  );
}

function codeLink(code: string): Element {
  return h.a({ href: `/problems/${code}` }, h.code({}, code));
}
