import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { AppDeps } from '../app-deps.ts';

export interface ConsoleCookie {
  read(c: Context): string | null;
  write(c: Context, value: string): void;
  remove(c: Context): void;
}

/** A cookie that no script reads and no other site sends. */
export function consoleCookie({ local }: Pick<AppDeps, 'local'>, name: string): ConsoleCookie {
  // A browser accepts the prefix over HTTPS only.
  const secure = local === null;
  const key = secure ? `__Host-${name}` : name;
  const attributes = { path: '/', httpOnly: true, secure, sameSite: 'Strict' } as const;
  return {
    read: (c) => getCookie(c, key) || null,
    write: (c, value) => setCookie(c, key, value, attributes),
    remove: (c) => void deleteCookie(c, key, attributes),
  };
}
