import { html } from 'hono/html';
import { FAILURES, failureOfCode, type Failure } from '../../domain/failure.ts';
import { isFailureCode, Problem } from './problem-details.ts';
import type { Api } from '../openapi/mount.ts';
import { page, prose } from '../page.ts';

/** The pages to which the `type` of a problem links. */
export function mountProblemPages(api: Api): void {
  const codes = [...new Set(Object.values(FAILURES).map(({ code }) => code))].toSorted();

  api.get('/problems', (c) =>
    page(
      c,
      'Problems',
      html`<h1>Problems</h1>
        <p class="dim">The codes of error responses and of failures in receipts.</p>
        <table>
          ${codes.map(
            (code) =>
              html`<tr>
                <td>
                  <a href="/problems/${code}"><code>${code}</code></a>
                </td>
                <td>${prose(failureOfCode(code)?.publicText ?? '')}</td>
              </tr>`,
          )}
        </table>`,
    ),
  );

  api.get('/problems/:code', (c) => {
    const code = c.req.param('code');
    const failure = failureOfCode(code);
    if (!failure || !isFailureCode(code)) throw new Problem('not_found');
    return page(
      c,
      failure.title,
      html`<p class="dim"><a href="/problems">Problems</a></p>
        <h1>${failure.title}</h1>
        <p><code>${code}</code> · status ${failure.httpStatus}</p>
        ${[...textsOf(code)].map(
          ([text, rows]) =>
            html`<p>${prose(text)}</p>
              ${rows.map(
                ({ kind, operator }) =>
                  html`<p class="dim">${KINDS[kind]} For operators: ${prose(operator)}</p>`,
              )}`,
        )}`,
    );
  });
}

const KINDS: Record<Failure['kind'], string> = {
  request: 'The request was rejected; no registration was changed.',
  transient: 'Transient: the step is retried.',
  parked: 'Parked: the registration waits for the schedule or an operator; the user is kept.',
  definitive: 'Definitive: the registration is undone.',
};

/** The public texts of a code, each with the rows that share it. */
function textsOf(code: string): Map<string, Failure[]> {
  const rows = Object.values(FAILURES).filter((failure) => failure.code === code);
  return Map.groupBy(rows, ({ publicText }) => publicText);
}
