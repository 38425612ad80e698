import type { ApiProblem } from './call-api.ts';
import { problemBox } from './parts.ts';
import type { Page, Section } from './visit.ts';

const STATUSES = [403, 404, 409, 422, 429, 500, 502, 503] as const;

/** A page that could not be made, since the API refused what it needs. */
export function problemPage(section: Section, title: string, problem: ApiProblem): Page {
  const status = STATUSES.find((one) => one === problem.status) ?? 500;
  return { title, section, status, main: problemBox(problem) };
}
