import { normaliseEmail } from '../../../domain/email.ts';
import type { AppDeps } from '../../app-deps.ts';
import type { Address } from '../../users/schemas.ts';
import { h } from '../elements.ts';
import type { ConsoleRoutes, Page, Visit } from '../visit.ts';
import { addressCard } from './person/address.ts';
import { mountChangeActions } from './person/change-actions.ts';
import { changePage } from './person/change-page.ts';
import { refusedPage } from './person/confirm.ts';
import { mountRegistrationActions } from './person/registration-actions.ts';
import { registrationPage } from './person/registration-page.ts';
import { searchPage } from './person/search.ts';
import { mountUserActions } from './person/user-actions.ts';

/** One person: the registration, the account, the changes, and what an operator does about them. */
export function mountPerson(routes: ConsoleRoutes, deps: AppDeps): void {
  routes.page('/console/person', (visit) => searchPage(deps, visit));
  routes.page('/console/addresses', addressPage);
  routes.page('/console/registrations/:id', (visit) => registrationPage(deps, visit));
  routes.page('/console/changes/:id', (visit) => changePage(deps, visit));
  mountRegistrationActions(routes);
  mountUserActions(routes, deps);
  mountChangeActions(routes, deps);
}

async function addressPage(visit: Visit): Promise<Page> {
  const shown = { title: 'Address', section: 'person' } as const;
  const email = normaliseEmail(visit.c.req.query('email') ?? '');
  // `..` as a part of a path would lead elsewhere.
  if (email === null) return { ...shown, status: 422, main: h.p({}, 'This is no e-mail address.') };
  const answer = await visit.api.get<Address>(`/addresses/${encodeURIComponent(email)}`);
  if (!answer.ok) return refusedPage(answer.problem);
  return { ...shown, main: await addressCard(visit, answer.body) };
}
