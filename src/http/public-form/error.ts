import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../app-deps.ts';

/** One validation error in the form of FastAPI; it never contains the sent value. */
export interface FieldError {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly ctx?: Readonly<Record<string, string | number>>;
}

/** An error response of the sign-up, session or seeding door; `detail` is safe for the public. */
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

/** Answers every error below a path as `application/json` with `detail`.
 * @param internal the public text for an internal error; null uses the text of the failure table */
export function plainErrors(internal: string | null = null): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    c.set('plainErrors', { internal });
    await next();
  };
}
