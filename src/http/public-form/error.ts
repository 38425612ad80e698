import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../app-deps.ts';

/** Where a body does not fit, as FastAPI's users know it; never with what was sent. */
export interface FieldError {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly ctx?: Readonly<Record<string, string | number>>;
}

/** An answer of sign-up, session or seeding in words of their own; `detail` is safe for anybody. */
export class DoorError extends Error {
  override readonly name = 'DoorError';
  readonly status: number;
  readonly detail: string | readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    detail: string | readonly FieldError[],
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(`door answers ${status}`);
    this.status = status;
    this.detail = detail;
    this.headers = headers;
  }
}

/** Has every error below a path answered as `application/json` with `detail`.
 * @param internal what the public reads instead of the failure table's text for a bug */
export function plainErrors(internal: string | null = null): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    c.set('plainErrors', { internal });
    await next();
  };
}
