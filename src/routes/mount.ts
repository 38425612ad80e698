import type { OpenAPIHono, RouteConfig } from '@hono/zod-openapi';
import type { Handler } from 'hono';
import { authenticate } from '../access/authenticate.ts';
import { Problem } from '../problem-details.ts';
import type { AppDeps, AppEnv } from './app-deps.ts';
import { plainErrors } from './door-error.ts';

export type Api = OpenAPIHono<AppEnv>;

/** `security` of an operation that wants a bearer token: the document and the check in one. */
export const BEARER: { bearer: [] }[] = [{ bearer: [] }];

/** Puts an operation under its path and into the document. Values are checked by the handler:
 * the order of checks is part of the contract. */
export function mount(
  api: Api,
  deps: Pick<AppDeps, 'verifyToken' | 'grants'>,
  route: RouteConfig,
  handler: Handler<AppEnv>,
): void {
  api.openAPIRegistry.registerPath(route);
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  const guards = route.security ? [authenticate<AppEnv>(deps.verifyToken, deps.grants)] : [];
  api.on([route.method.toUpperCase()], [path], ...guards, handler);
}

/** As mount, for a door whose errors are FastAPI's.
 * @param internal what its public reads of a bug */
export function mountPlain(
  api: Api,
  deps: Pick<AppDeps, 'verifyToken' | 'grants'>,
  route: RouteConfig,
  handler: Handler<AppEnv>,
  internal: string | null = null,
): void {
  api.use(route.path, plainErrors(internal));
  mount(api, deps, route, handler);
}

/** Answers every other method of the known paths: 405, and OPTIONS with what there is.
 * To be called once everything else is in place. */
export function refuseOtherMethods(api: Api): void {
  const paths = Map.groupBy(
    api.routes.filter(({ method }) => method !== 'ALL'),
    ({ path }) => path,
  );
  for (const [path, routes] of paths) {
    const methods = new Set(routes.map(({ method }) => method));
    if (methods.has('GET')) methods.add('HEAD');
    const allow = [...methods, 'OPTIONS'].toSorted().join(', ');
    api.all(path, (c) => {
      if (c.req.method === 'OPTIONS') return c.body(null, 204, { allow });
      throw new Problem('method_not_allowed', { headers: { allow } });
    });
  }
}
