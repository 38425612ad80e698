import type { ApiProblem } from './call-api.ts';
import { problemBox } from './parts.ts';
import type { Page, Section } from './visit.ts';

/** A page that could not be made, since the API refused what it needs. */
export function problemPage(section: Section, title: string, problem: ApiProblem): Page {
  return { title, section, status: problem.status, main: problemBox(problem) };
}
