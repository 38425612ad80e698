import type { ProblemCode } from '../registrations/schemas.ts';
import type { z } from '@hono/zod-openapi';

export interface ApiProblem {
  readonly status: number;
  readonly code: z.infer<typeof ProblemCode>;
  /** Safe to show. */
  readonly detail: string;
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[];
  /** `X-Request-Id`, which leads to the log. */
  readonly requestId: string;
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
}
