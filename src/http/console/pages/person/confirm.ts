import type { ApiAnswer, ApiProblem } from '../../call-api.ts';
import { h, type Content } from '../../elements.ts';
import { actionBar, actionLink, definitionList, mono } from '../../parts.ts';
import { problemPage } from '../../problem-page.ts';
import type { Page, Visit } from '../../visit.ts';

/** A page that shows nothing but what the API answered. */
export function refusedPage(problem: ApiProblem): Page {
  const title = problem.status === 404 ? 'Not found' : 'This did not work';
  return problemPage('person', title, problem);
}

/** The answer to a form that was filled in wrongly: the API is not asked. */
export function wrongForm({ c }: Visit, pointer: string, detail: string): ApiAnswer<never> {
  const { requestId } = c.var;
  const nothing = {
    code: 'invalid_request',
    detail: 'Nothing was done.',
    retryAfter: null,
  } as const;
  const errors = [{ pointer, detail }];
  return { ok: false, problem: { ...nothing, status: 422, errors, requestId } };
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
      actionBar(
        actionLink({
          href: back,
          label: 'Look at the present state',
          kind: 'primary',
          isPage: true,
        }),
      ),
    ],
  };
}

/** To whom something is done. A person who has no such name is not named by it. */
export function whom(names: readonly (readonly [term: string, value: string | null])[]): Content {
  return definitionList(
    names.map(([term, value]) => value !== null && value !== '' && [term, mono(value)]),
  );
}
