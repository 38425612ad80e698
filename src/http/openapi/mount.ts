import { z, type OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import type { Handler, MiddlewareHandler } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { authenticate, type AccessDeps } from '../access/authenticate.ts';
import { Problem } from '../problems/problem-details.ts';
import type { AppEnv } from '../app-deps.ts';
import { plainErrors } from '../public-form/error.ts';
import { unknownParameter } from '../problems/problem-examples.ts';

export type Api = OpenAPIHono<AppEnv>;

/** `security` of an operation that requires a bearer token, for both the document and the check. */
export const BEARER: { bearer: [] }[] = [{ bearer: [] }];
/** The same where a request without a token names the person in its body. */
export const BEARER_OR_BODY: { bearer?: [] }[] = [{ bearer: [] }, {}];

type Guard = MiddlewareHandler<AppEnv>;

/** Mounts a canonical operation and adds it to the document. The handler validates the values, since
 * the order of checks is part of the contract. Unknown query parameters are refused here, after the
 * token: a misspelled filter would return everything. */
export function mount(
  api: Api,
  deps: AccessDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
): void {
  mountGuarded(api, deps, route, handler, [refuseUnknownParameters(route)]);
}

/** Like mount, for doors and probes: they ignore unknown query parameters. */
export function mountLenient(
  api: Api,
  deps: AccessDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
): void {
  mountGuarded(api, deps, route, handler, []);
}

/** Like mountLenient, for a door whose errors have the form of FastAPI.
 * @param internal the public text for an internal error */
export function mountPlain(
  api: Api,
  deps: AccessDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
  internal: string | null = null,
): void {
  api.use(route.path, plainErrors(internal));
  mountLenient(api, deps, route, handler);
}

function mountGuarded(
  api: Api,
  deps: AccessDeps,
  route: RouteConfig,
  handler: Handler<AppEnv>,
  guards: readonly Guard[],
): void {
  api.openAPIRegistry.registerPath(route);
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  const isOptional = route.security?.some((needed) => Object.keys(needed).length === 0) ?? false;
  const access = route.security ? [authenticate<AppEnv>(deps, isOptional)] : [];
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

/** Answers 405 to every other method of the known paths, and OPTIONS with the allowed methods. A path
 * without parameters has only its own methods, also where the pattern of another route fits it. */
export function refuseOtherMethods(app: Api): Guard {
  const refuse = (method: string, methods: readonly string[]): Response => {
    const allow = [...methods, 'OPTIONS'].toSorted().join(', ');
    if (method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow } });
    throw new Problem('method_not_allowed', { headers: { allow } });
  };
  const ofPatterns = methodNotAllowed<AppEnv>({
    app,
    onMethodNotAllowed: (c, methods) => refuse(c.req.method, methods),
  });
  let ofPaths: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  return async (c, next) => {
    ofPaths ??= methodsOfPaths(app);
    const methods = ofPaths.get(c.req.path);
    if (methods && !methods.has(c.req.method)) return refuse(c.req.method, [...methods]);
    return await ofPatterns(c, next);
  };
}

function methodsOfPaths({ openAPIRegistry }: Api): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const definition of openAPIRegistry.definitions) {
    if (definition.type !== 'route' || definition.route.path.includes('{')) continue;
    const { path, method } = definition.route;
    const methods = found.get(path) ?? new Set();
    methods.add(method.toUpperCase());
    if (method === 'get') methods.add('HEAD');
    found.set(path, methods);
  }
  return found;
}
