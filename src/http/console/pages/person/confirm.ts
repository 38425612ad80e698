import type { ApiAnswer, ApiProblem } from '../../call-api.ts';
import { h, type Content } from '../../elements.ts';
import { actionBar, actionLink, definitionList, mono, problemBox } from '../../parts.ts';
import type { Page, Visit } from '../../visit.ts';

const STATUSES = [403, 404, 409, 422, 429, 500, 502, 503] as const;

/** A page that shows nothing but what the API answered. */
export function problemPage(problem: ApiProblem): Page {
  const status = STATUSES.find((one) => one === problem.status) ?? 500;
  return {
    title: status === 404 ? 'Not found' : 'This did not work',
    section: 'person',
    status,
    main: problemBox(problem),
  };
}

/** The answer to a form that was filled in wrongly: the API is not asked. */
export function wrongForm({ c }: Visit, detail: string): ApiAnswer<never> {
  const { requestId } = c.var;
  const problem = { status: 422, code: 'invalid_request', detail, errors: [], requestId } as const;
  return { ok: false, problem: { ...problem, retryAfter: null } };
}

/** Instead of a confirmation: the state has changed since the page that led here. */
export function doesNotApply(
  title: string,
  back: string,
  why = 'This cannot be done in the present state, which may have changed meanwhile.',
): Page {
  return {
    title,
    section: 'person',
    status: 409,
    main: [
      h.p({}, why),
      actionBar(actionLink({ href: back, label: 'Look at the present state', kind: 'primary' })),
    ],
  };
}

/** To whom something is done. A person who has no such name is not named by it. */
export function whom(names: readonly (readonly [term: string, value: string | null])[]): Content {
  return definitionList(
    names.map(([term, value]) => value !== null && value !== '' && [term, mono(value)]),
  );
}
