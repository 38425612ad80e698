import type { AppDeps } from '../../app-deps.ts';
import { h } from '../elements.ts';
import type { ConsoleRoutes } from '../visit.ts';

export function mountNew(routes: ConsoleRoutes, _deps: AppDeps): void {
  routes.page('/console/new', async ({ operator }) => ({
    title: 'New',
    section: 'new',
    main: h.p({}, operator.name),
  }));
}
