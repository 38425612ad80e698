import { pointerTo } from '../problems/problem-details.ts';
import type { ApiProblem } from './call-api.ts';
import { h, type Attributes, type Content, type Element } from './elements.ts';
import { prose } from './parts.ts';

/** The fields of forms: each with its label, a hint, and what was wrong with what was sent. */

interface Asked {
  readonly name: string;
  readonly label: string;
  readonly hint?: Content;
  /** What was wrong; null: nothing. */
  readonly error?: string | null;
}

/**
 * A field of one line.
 * @param attributes of the input; `value` is what was sent, never a password
 */
export function formField(asked: Asked, attributes: Attributes = {}): Element {
  const { name } = asked;
  return field(
    asked,
    h.input({ id: name, name, type: 'text', ...attributes, ...described(asked) }),
  );
}

/** A field of several lines. */
export function textArea(asked: Asked, value: string, attributes: Attributes = {}): Element {
  const { name } = asked;
  const sizes = { id: name, name, rows: 3, ...attributes };
  return field(asked, h.textarea({ ...sizes, ...described(asked) }, value));
}

export interface Choice {
  readonly value: string;
  readonly label: Content;
  readonly hint?: Content;
  readonly isChosen: boolean;
}

/** One of several, from a list that drops down. */
export function selectField(asked: Asked, choices: readonly Choice[]): Element {
  const { name } = asked;
  return field(
    asked,
    h.select(
      { id: name, name, ...described(asked) },
      choices.map(({ value, label, isChosen }) => h.option({ value, selected: isChosen }, label)),
    ),
  );
}

/** Any of several (`checkbox`), or one of them (`radio`). */
export function choiceField(
  asked: Asked,
  type: 'checkbox' | 'radio',
  choices: readonly Choice[],
): Element {
  const { name, label, hint, error } = asked;
  return h.fieldset(
    { class: 'field choices', id: name, ...described(asked) },
    h.legend({}, label),
    hintOf(name, hint),
    errorOf(name, error),
    h.div(
      { class: 'choice-list' },
      choices.map((choice) => choiceOf(name, type, choice)),
    ),
  );
}

/** One box to check. */
export function checkBox(name: string, choice: Choice): Element {
  return h.div({ class: 'field choices' }, choiceOf(name, 'checkbox', choice));
}

/** What the API says of one field of a body, and of what is below it. */
export function errorAt(problem: ApiProblem | null, ...path: readonly string[]): string | null {
  const pointer = pointerTo(...path);
  const found = problem?.errors.filter(
    (error) => error.pointer === pointer || error.pointer.startsWith(`${pointer}/`),
  );
  return found === undefined || found.length === 0
    ? null
    : [...new Set(found.map(({ detail }) => detail))].join(' ');
}

function field(asked: Asked, control: Element): Element {
  const { name, label, hint, error } = asked;
  return h.div(
    { class: 'field' },
    h.label({ for: name }, label),
    hintOf(name, hint),
    control,
    errorOf(name, error),
  );
}

function choiceOf(name: string, type: 'checkbox' | 'radio', choice: Choice): Element {
  const { value, label, hint, isChosen } = choice;
  return h.label(
    { class: 'choice' },
    h.input({ type, name, value, checked: isChosen }),
    h.span({}, label, hint !== undefined && h.span({ class: 'hint' }, hint)),
  );
}

function described({ name, hint, error }: Asked): Attributes {
  const ids = [hint && `${name}-hint`, error && `${name}-error`].filter(Boolean);
  return {
    'aria-describedby': ids.length > 0 ? ids.join(' ') : undefined,
    'aria-invalid': error ? 'true' : undefined,
  };
}

function hintOf(name: string, hint: Content): Content {
  return hint ? h.p({ class: 'hint', id: `${name}-hint` }, hint) : null;
}

function errorOf(name: string, error: string | null | undefined): Content {
  return error ? h.p({ class: 'field-error', id: `${name}-error` }, prose(error)) : null;
}
