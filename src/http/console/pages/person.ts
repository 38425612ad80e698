import type { AppDeps } from '../../app-deps.ts';
import { h } from '../elements.ts';
import type { ConsoleRoutes } from '../visit.ts';

export function mountPerson(routes: ConsoleRoutes, _deps: AppDeps): void {
  routes.page('/console/person', async ({ operator }) => ({
    title: 'Person',
    section: 'person',
    main: h.p({}, operator.name),
  }));
}
