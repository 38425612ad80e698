import { randomUUID } from 'node:crypto';
import { Problem } from '../problems/problem-details.ts';
import { h, type Content } from './elements.ts';
import type { Confirmation, FormFields } from './visit.ts';
import type { ApiProblem } from './call-api.ts';

export const CSRF_FIELD = 'csrfToken';
export const KEY_FIELD = 'idempotencyKey';
const REASON_FIELD = 'reason';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** No form was sent yet. */
export const NOTHING_SENT: FormFields = { get: () => null, all: () => [] };

/** @throws Problem from `get` for a field that was sent several times */
export function fieldsOf(sent: URLSearchParams): FormFields {
  return {
    get: (name) => {
      const [value = null, ...more] = sent.getAll(name);
      if (more.length > 0) {
        throw new Problem('invalid_request', { detail: `The form has ${name} more than once.` });
      }
      return value;
    },
    all: (name) => sent.getAll(name),
  };
}

export function reasonOf(sent: FormFields): string | null {
  return sent.get(REASON_FIELD)?.trim() || null;
}

/** @throws Problem */
export function idempotencyKeyOf(sent: FormFields): string {
  const key = sent.get(KEY_FIELD) ?? '';
  if (!UUID.test(key)) {
    throw new Problem('invalid_request', {
      detail: 'The form is incomplete. Open the page again.',
    });
  }
  return key;
}

export interface ConfirmationForm {
  readonly confirmation: Confirmation;
  /** Where the form is sent: the path and query of its page. */
  readonly action: string;
  readonly csrfToken: string;
  readonly sent: FormFields;
  /** Why what was sent before was not done. */
  readonly problem: ApiProblem | null;
}

/** What a page asks before something is done. */
export function confirmationForm(form: ConfirmationForm): Content {
  const { confirmation, action, csrfToken, sent, problem } = form;
  const { explanation, fields, asksReason, button, isDangerous = false, back } = confirmation;
  return [
    problem !== null && problemBox(problem),
    explanation,
    h.form(
      { method: 'post', action, class: 'confirmation' },
      h.input({ type: 'hidden', name: CSRF_FIELD, value: csrfToken }),
      h.input({ type: 'hidden', name: KEY_FIELD, value: nextKey(sent, problem) }),
      fields?.(sent),
      asksReason && reasonField(sent),
      h.p(
        { class: 'buttons' },
        h.button({ class: isDangerous ? 'danger' : 'primary' }, button),
        ' ',
        h.a({ href: back }, 'Back'),
      ),
    ),
  ];
}

/** The same key again only where what was sent may have been done. */
function nextKey(sent: FormFields, problem: ApiProblem | null): string {
  const mayBeDone = problem !== null && problem.status >= 500;
  return (mayBeDone ? sent.get(KEY_FIELD) : null) ?? randomUUID();
}

function reasonField(sent: FormFields): Content {
  return h.p(
    { class: 'field' },
    h.label({ for: 'reason' }, 'Reason, for the audit trail'),
    h.textarea(
      { id: 'reason', name: REASON_FIELD, rows: 3, maxlength: 500 },
      sent.get(REASON_FIELD) ?? '',
    ),
  );
}

export function problemBox({ detail, errors, requestId }: ApiProblem): Content {
  return h.div(
    { class: 'problem', role: 'alert' },
    h.p({}, detail),
    errors.length > 0 &&
      h.ul({}, ...errors.map(({ pointer, detail: text }) => h.li({}, `${pointer}: ${text}`))),
    h.p({ class: 'dim' }, `Request ${requestId}`),
  );
}
