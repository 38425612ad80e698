import { z, type OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import type { Handler, MiddlewareHandler } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { authenticate } from '../access/authenticate.ts';
import { Problem } from '../problems/problem-details.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { plainErrors } from '../public-form/error.ts';
import { unknownParameter } from '../problems/problem-examples.ts';

export type Api = OpenAPIHono<AppEnv>;

/** `security` of an operation that wants a bearer token: the document and the check in one. */
export const BEARER: { bearer: [] }[] = [{ bearer: [] }];

type Guard = MiddlewareHandler<AppEnv>;
type MountDeps = Pick<AppDeps, 'verifyToken' | 'grants'>;

/** Puts a canonical operation under its path and into the document. Values are checked by the
 * handler: the order of checks is part of the contract. A query parameter that the operation does
 * not have is refused here, after the token: a filter with a typing error would filter nothing. */
export function mount(
  api: Api,
  deps: MountDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
): void {
  mountGuarded(api, deps, route, handler, [refuseUnknownParameters(route)]);
}

/** As mount, for doors and probes: they ignore query parameters that they do not know. */
export function mountLenient(
  api: Api,
  deps: MountDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
): void {
  mountGuarded(api, deps, route, handler, []);
}

/** As mountLenient, for a door whose errors are FastAPI's.
 * @param internal what its public reads of a bug */
export function mountPlain(
  api: Api,
  deps: MountDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
  internal: string | null = null,
): void {
  api.use(route.path, plainErrors(internal));
  mountLenient(api, deps, route, handler);
}

function mountGuarded(
  api: Api,
  deps: MountDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
  guards: readonly Guard[],
): void {
  api.openAPIRegistry.registerPath(route);
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  const access = route.security ? [authenticate<AppEnv>(deps.verifyToken, deps.grants)] : [];
  api.on([route.method.toUpperCase()], [path], ...access, ...guards, handler);
}

function refuseUnknownParameters({ request }: RouteConfig): Guard {
  const query = request?.query;
  const known = new Set(query instanceof z.ZodObject ? Object.keys(query.shape) : []);
  return async (c, next) => {
    const sent = new Set(new URL(c.req.url).searchParams.keys());
    const unknown = [...sent].filter((name) => !known.has(name));
    if (unknown.length > 0) {
      throw new Problem('invalid_request', { errors: unknown.map(unknownParameter) });
    }
    await next();
  };
}

/** Answers every other method of the known paths: 405, and OPTIONS with what there is. */
export function refuseOtherMethods(app: Api): Guard {
  return methodNotAllowed<AppEnv>({
    app,
    onMethodNotAllowed: (c, methods) => {
      const allow = [...methods, 'OPTIONS'].toSorted().join(', ');
      if (c.req.method === 'OPTIONS')
        return new Response(null, { status: 204, headers: { allow } });
      throw new Problem('method_not_allowed', { headers: { allow } });
    },
  });
}
