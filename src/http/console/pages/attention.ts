import type { AppDeps } from '../../app-deps.ts';
import type { ConsoleRoutes } from '../visit.ts';
import { pageForAll } from './attention/for-all.ts';
import { pageForSome } from './attention/for-some.ts';
import { changesPage, invitationsPage, registrationsPage } from './attention/lists.ts';
import { RETRY_ALL } from './attention/retry-all.ts';

/** *Needs a person*, and the lists that it leads to. */
export function mountAttention(routes: ConsoleRoutes, deps: AppDeps): void {
  routes.page('/console', async (visit) =>
    visit.operator.grants === '*' ? await pageForAll(deps, visit) : await pageForSome(visit),
  );
  routes.action('/console/attention/retry', RETRY_ALL);
  routes.page('/console/registrations', registrationsPage);
  routes.page('/console/changes', changesPage);
  routes.page('/console/invitations', (visit) => invitationsPage(deps, visit));
}
