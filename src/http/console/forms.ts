import { randomUUID } from 'node:crypto';
import { Problem } from '../problems/problem-details.ts';
import { h, type Content } from './elements.ts';
import type { Confirmation, FormFields } from './visit.ts';
import type { ApiProblem } from './call-api.ts';
import { textArea } from './fields.ts';
import { actionBar, problemBox } from './parts.ts';

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
    problem !== null && problemBox(problem, true),
    h.section(
      { class: 'card' },
      h.div({ class: 'explanation' }, explanation),
      h.form(
        { method: 'post', action, class: 'form' },
        h.input({ type: 'hidden', name: CSRF_FIELD, value: csrfToken }),
        h.input({ type: 'hidden', name: KEY_FIELD, value: nextKey(sent, problem) }),
        fields?.(sent, problem),
        asksReason && reasonField(sent),
        actionBar(
          h.button({ class: isDangerous ? 'danger' : 'primary' }, button),
          h.a({ class: 'button plain', href: back, 'data-back': '' }, 'Back'),
        ),
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
  const asked = { name: REASON_FIELD, label: 'Reason', hint: 'Optional. The timeline shows it.' };
  return textArea(asked, sent.get(REASON_FIELD) ?? '', { maxlength: 500 });
}
