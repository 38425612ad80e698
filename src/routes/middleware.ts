import { randomUUID } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import { secureHeaders } from 'hono/secure-headers';
import type { AppEnv, Log, MetricsView } from './app-deps.ts';

type Middleware = MiddlewareHandler<AppEnv>;

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
const PROBES = /^\/(?:health\/|metrics$)/;
const MAX_LOGGED_PATH = 200;

/** Our own id for every request; what a caller sends as one is nobody's proof of anything. */
export function requestIds(): Middleware {
  return async (c, next) => {
    c.set('requestId', randomUUID());
    await next();
    c.res.headers.set('X-Request-Id', c.var.requestId);
  };
}

/** One line and one observation per request; never a query, a body or a header. */
export function requestLog(logger: Log, metrics: Pick<MetricsView, 'observeRequest'>): Middleware {
  return async (c, next) => {
    const begun = performance.now();
    await next();
    const { method, path } = c.req;
    const { status } = c.res;
    const ms = performance.now() - begun;
    const route = routePath(c, -1);
    metrics.observeRequest(
      {
        method: METHODS.has(method) ? method : 'other',
        route: route === '/*' || route === '*' ? 'none' : route,
        status,
      },
      ms / 1000,
    );
    const line = {
      requestId: c.var.requestId,
      method,
      path: path.slice(0, MAX_LOGGED_PATH),
      status,
      durationMs: Math.round(ms),
    };
    if (PROBES.test(path)) logger.debug(line, 'request');
    else logger.info(line, 'request');
  };
}

export function safeHeaders(): Middleware {
  const secure = secureHeaders({ xFrameOptions: 'DENY' });
  return async (c, next) => {
    await secure(c, next);
    const { headers } = c.res;
    headers.set('Cache-Control', 'no-store');
    if (!headers.has('Content-Security-Policy')) {
      headers.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
    }
  };
}

/** Answers preflights only: any other OPTIONS asks for `Allow`, or for something that is not there. */
export function browserAccess(origins: readonly string[]): Middleware {
  const access = cors({
    origin: [...origins],
    allowMethods: ['GET', 'POST', 'PUT', 'DELETE'],
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
