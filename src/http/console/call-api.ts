import type { ProblemCode } from '../registrations/schemas.ts';
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { AppEnv } from '../app-deps.ts';
import type { Api } from '../openapi/mount.ts';
import { FAILURES } from '../../domain/failure.ts';

export interface ApiProblem {
  readonly status: number;
  readonly code: z.infer<typeof ProblemCode>;
  /** Safe to show. */
  readonly detail: string;
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[];
  /** `X-Request-Id`, which leads to the log. */
  readonly requestId: string;
  /** Seconds to wait before the next attempt, where the API says so. */
  readonly retryAfter: string | null;
}

export type ApiAnswer<Body> =
  | { readonly ok: true; readonly status: number; readonly body: Body }
  | { readonly ok: false; readonly problem: ApiProblem };

export interface ApiClient {
  /** @param path with its query, `/registrations?limit=50` */
  get<Body>(path: string): Promise<ApiAnswer<Body>>;
  send<Body>(
    method: 'POST' | 'PUT' | 'DELETE',
    path: string,
    body: object,
    idempotencyKey?: string,
  ): Promise<ApiAnswer<Body>>;
  /** The response itself, for a stream. @param signal ends it */
  fetch(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

/** The API takes the operator's token no more. */
export class TokenEnded extends Error {
  override readonly name = 'TokenEnded';
}

/** Calls the routes of this app as the operator of a request, with that request's address, host and id. */
export function createApiClient(api: Api, c: Context<AppEnv>, accessToken: string): ApiClient {
  const { origin } = new URL(c.req.url);
  const forwarded = c.req.header('x-forwarded-for');
  const call = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${accessToken}`);
    if (forwarded !== undefined) headers.set('x-forwarded-for', forwarded);
    const request = new Request(`${origin}${path}`, { ...init, headers, signal: c.req.raw.signal });
    const response = await api.fetch(request, { ...c.env, requestId: c.var.requestId });
    if (response.status === 401) throw new TokenEnded();
    return response;
  };
  const ask = async <Body>(path: string, init: RequestInit): Promise<ApiAnswer<Body>> => {
    const response = await call(path, init);
    const text = await response.text();
    const { status } = response;
    if (response.ok) return { ok: true, status, body: (text && JSON.parse(text)) as Body };
    return { ok: false, problem: problemOf(response, text, c.var.requestId) };
  };
  return {
    fetch: (path, headers = {}) => call(path, { headers }),
    get: (path) => ask(path, {}),
    send: (method, path, body, idempotencyKey) =>
      ask(path, {
        method,
        body: JSON.stringify(body),
        headers: {
          'content-type': 'application/json',
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
      }),
  };
}

function problemOf({ status, headers }: Response, text: string, requestId: string): ApiProblem {
  const retryAfter = headers.get('retry-after');
  const sent = { status, requestId, retryAfter };
  if (!headers.get('content-type')?.startsWith('application/problem+json')) {
    const { code, publicText: detail } = FAILURES.internal;
    return { ...sent, code, detail, errors: [] };
  }
  const {
    code,
    detail,
    errors = [],
  } = JSON.parse(text) as Omit<ApiProblem, 'errors'> & {
    readonly errors?: ApiProblem['errors'];
  };
  return { ...sent, code, detail, errors };
}
