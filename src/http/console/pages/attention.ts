import type { AppDeps } from '../../app-deps.ts';
import { h } from '../elements.ts';
import type { ConsoleRoutes } from '../visit.ts';

export function mountAttention(routes: ConsoleRoutes, _deps: AppDeps): void {
  routes.page('/console', async ({ operator }) => ({
    title: 'Needs a person',
    section: 'attention',
    main: h.p({}, operator.name),
  }));
}
