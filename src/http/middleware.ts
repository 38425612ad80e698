import { randomUUID } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import { secureHeaders } from 'hono/secure-headers';
import { Problem } from './problems/problem-details.ts';
import type { TraceRequest } from '../domain/tracing.ts';
import type { AppEnv, Log, MetricsView, RequestLabels } from './app-deps.ts';
import { isUuid } from './request/fields.ts';

type Middleware = MiddlewareHandler<AppEnv>;

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
const PROBES = /^\/(?:health\/|metrics$)/;
const FOREIGN_HOST = {
  detail: 'With ENVIRONMENT=local, the Host header must be a loopback name or the address in HOST.',
};
const OF_REGISTRATION = /^\/registrations\/([^/]+)/;
const OF_CHANGE = /^\/changes\/([^/]+)/;

/** Sets our own id for every request; an id that the caller sends is not trusted. A request that the
 * console makes for a page has the id of the page. */
export function requestIds(): Middleware {
  return async (c, next) => {
    c.set('requestId', c.env?.requestId ?? randomUUID());
    await next();
    c.res.headers.set('X-Request-Id', c.var.requestId);
  };
}

/** One line and one observation per request; never a path, a query, a body or a header: callers put
 * anything there. */
export function requestLog(logger: Log, metrics: Pick<MetricsView, 'observeRequest'>): Middleware {
  return async (c, next) => {
    const begun = performance.now();
    await next();
    const ms = performance.now() - begun;
    const request = labelsOf(c);
    metrics.observeRequest(request, ms / 1000);
    const { requestId, emailHash } = c.var;
    const line = {
      requestId,
      ...request,
      durationMs: Math.round(ms),
      registrationId: c.var.registrationId ?? idIn(c, OF_REGISTRATION),
      changeId: c.var.changeId ?? idIn(c, OF_CHANGE),
      emailHash,
    };
    if (PROBES.test(c.req.path)) logger.debug(line, 'request');
    else logger.info(line, 'request');
  };
}

/** After the handler. */
function labelsOf(c: Context<AppEnv>): RequestLabels {
  const { method } = c.req;
  const route = routePath(c, -1);
  return {
    method: METHODS.has(method) ? method : 'other',
    route: route === '/*' || route === '*' ? 'none' : route,
    status: c.res.status,
  };
}

const TRACE_HEADERS = ['traceparent', 'tracestate'];

/** A span for each request but probes: what it starts at Temporal is below it. */
export function requestTraces(trace: TraceRequest): Middleware {
  return async (c, next) => {
    if (PROBES.test(c.req.path)) return await next();
    const sent = TRACE_HEADERS.flatMap((name) => {
      const value = c.req.header(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    await trace(Object.fromEntries(sent), async () => {
      await next();
      const { requestId } = c.var;
      return {
        ...labelsOf(c),
        requestId,
        registrationId: c.var.registrationId ?? idIn(c, OF_REGISTRATION),
      };
    });
  };
}

/** The id in a path; undefined where the path is about none. */
function idIn(c: Context<AppEnv>, form: RegExp): string | undefined {
  const named = form.exec(c.req.path)?.[1];
  return named !== undefined && isUuid(named) ? named : undefined;
}

/** @param isLocal over plain HTTP on the developer's machine, where no name is bound to HTTPS */
export function safeHeaders(isLocal: boolean): Middleware {
  const strictTransportSecurity = isLocal ? false : 'max-age=31536000; includeSubDomains';
  const secure = secureHeaders({
    xFrameOptions: 'DENY',
    strictTransportSecurity,
    referrerPolicy: false,
  });
  return async (c, next) => {
    await secure(c, next);
    const { headers } = c.res;
    // Only files of a fixed version may be kept; Hono's event stream asks for less than `no-store`.
    if (!headers.get('Cache-Control')?.includes('immutable')) {
      headers.set('Cache-Control', 'no-store');
    }
    if (!headers.has('Referrer-Policy')) headers.set('Referrer-Policy', 'no-referrer');
    if (!headers.has('Content-Security-Policy')) {
      headers.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
    }
  };
}

/** Refuses requests that were sent to another name: with doors that want no token, a web page whose
 * name was made to resolve to this machine could use them (DNS rebinding). */
export function ownHostOnly(acceptsHost: (hostname: string) => boolean): Middleware {
  return async (c, next) => {
    if (!acceptsHost(new URL(c.req.url).hostname)) throw new Problem('forbidden', FOREIGN_HOST);
    await next();
  };
}

/** Different origins that are named in the log; who sends more of them is no web page. */
const ORIGINS_NAMED = 20;
const MAX_ORIGIN = 200;

/** Writes one log line for each origin that a browser may not call from: the browser tells its user
 * nothing of use, and the developer nothing of CORS_ORIGINS. */
export function refusedOrigins(allowed: readonly string[], log: Pick<Log, 'warn'>): Middleware {
  const known = new Set(allowed);
  const named = new Set<string>();
  return async (c, next) => {
    await next();
    const sent = c.req.header('origin');
    if (sent === undefined || known.has(sent) || named.size >= ORIGINS_NAMED) return;
    const origin = originOf(sent);
    if (origin === null || named.has(origin) || isOwn(origin, c.req.url)) return;
    named.add(origin);
    log.warn({ origin }, 'CORS origin refused: it is not in CORS_ORIGINS');
  };
}

/** null for what no browser sends: callers put anything into a header. */
function originOf(sent: string): string | null {
  const url = sent.length > MAX_ORIGIN ? null : URL.parse(sent);
  return url && /^https?:$/.test(url.protocol) && url.origin === sent ? sent : null;
}

/** Of this API itself, also behind a proxy that ends TLS. */
function isOwn(origin: string, url: string): boolean {
  return new URL(origin).host === new URL(url).host;
}

/** Answers preflights only: any other OPTIONS asks for `Allow`, or for something that is not there. */
export function browserAccess(origins: readonly string[]): Middleware {
  const access = cors({
    origin: [...origins],
    allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'Prefer'],
    exposeHeaders: [
      'Location',
      'X-Request-Id',
      'Preference-Applied',
      'Idempotent-Replayed',
      'Retry-After',
    ],
    maxAge: 600,
  });
  return async (c, next) => {
    const { method } = c.req;
    const answers = method !== 'OPTIONS' || c.req.header('access-control-request-method');
    return answers ? await access(c, next) : await next();
  };
}
