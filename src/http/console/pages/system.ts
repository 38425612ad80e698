import type { AppDeps } from '../../app-deps.ts';
import { h } from '../elements.ts';
import type { ConsoleRoutes } from '../visit.ts';

export function mountSystem(routes: ConsoleRoutes, _deps: AppDeps): void {
  routes.page('/console/system', async ({ operator }) => ({
    title: 'System',
    section: 'system',
    main: h.p({}, operator.name),
  }));
}
