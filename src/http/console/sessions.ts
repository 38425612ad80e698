import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { Tokens } from '../../domain/session.ts';
import {
  beginTokenRefresh,
  deleteConsoleSession,
  endTokenRefresh,
  insertConsoleSession,
  setConsoleNotice,
  useConsoleSession,
  type ConsoleSessionRow,
} from '../../ledger/console-sessions.ts';
import { SealLost } from '../../secrets/sealing.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { refreshTokens } from '../accounts/sign-in.ts';

/** A signed-in browser. */
export interface ConsoleSession {
  readonly id: string;
  readonly userId: string;
  /** As the person signed in. */
  readonly name: string;
  readonly csrfToken: string;
  readonly tokens: Tokens;
  readonly notice: Notice | null;
}

/** `expired`: by its age, or nobody knows it; `ended`: the pool gives no more tokens. */
export type NoSession = 'none' | 'expired' | 'ended';

/** What one page says of the action before it. */
interface Notice {
  /** The path of the page. */
  readonly to: string;
  readonly text: string;
}

export type ConsoleDeps = AppDeps & { readonly console: NonNullable<AppDeps['console']> };
type C = Context<AppEnv>;

/** Refreshed so long before it expires, a token serves the whole request, and requests that come
 * meanwhile. */
const REFRESH_BEFORE_MS = 2 * 60_000;
/** How long a request waits for the tokens that another one refreshes, and how often it looks. */
const REFRESH_WAIT_MS = 6000;
const REFRESH_POLL_MS = 200;

export class ConsoleSessions {
  readonly #deps: ConsoleDeps;
  readonly #cookie: string;
  readonly #isSecure: boolean;

  constructor(deps: ConsoleDeps) {
    this.#deps = deps;
    // A browser accepts the prefix over HTTPS only.
    this.#isSecure = deps.local === null;
    this.#cookie = this.#isSecure ? '__Host-registrar-console' : 'registrar-console';
  }

  /** Opens a session under a new id, and ends the one that the browser had. */
  async open(c: C, person: { userId: string; name: string }, tokens: Tokens): Promise<void> {
    const before = this.#idOf(c);
    const secret = randomBytes(32).toString('base64url');
    const id = digestOf(secret);
    const csrfToken = randomBytes(32).toString('base64url');
    const sealedTokens = this.#seal(id, tokens);
    try {
      await insertConsoleSession(this.#deps.db, { id, ...person, csrfToken, sealedTokens });
    } catch (error) {
      this.#revoke(tokens);
      throw error;
    }
    setCookie(c, this.#cookie, secret, this.#attributes());
    const old = before === null ? null : await this.#delete(before);
    if (old) this.#revoke(old.tokens);
  }

  /**
   * The session of a request, with tokens that live for a while yet, or why there is none.
   * @param counts whether the idle time begins anew
   * @throws ProviderUnavailable where the tokens have expired and Cognito is away
   */
  async read(c: C, counts = true): Promise<ConsoleSession | NoSession> {
    const id = this.#idOf(c);
    if (id === null) return 'none';
    const until = Date.now() + REFRESH_WAIT_MS;
    for (let over: NoSession = 'expired'; ; over = 'ended') {
      const row = await useConsoleSession(this.#deps.db, id, counts);
      const session = row && this.#opened(row);
      if (!session) return over;
      if (!isNearlyExpired(session.tokens)) return session;
      if (await beginTokenRefresh(this.#deps.db, row)) return await this.#refresh(row, session);
      if (isAlive(session.tokens)) return session;
      if (Date.now() > until) throw new ProviderUnavailable('session');
      await delay(REFRESH_POLL_MS);
    }
  }

  /** The session of a request as it is stored, also where its tokens have expired. */
  async readStored(c: C): Promise<ConsoleSession | null> {
    const id = this.#idOf(c);
    const row = id === null ? null : await useConsoleSession(this.#deps.db, id, false);
    return row && this.#opened(row);
  }

  /** Forgets the session of a request. @returns it, with its last tokens */
  async close(c: C): Promise<ConsoleSession | null> {
    const id = this.#idOf(c);
    deleteCookie(c, this.#cookie, this.#attributes());
    return id === null ? null : await this.#delete(id);
  }

  /** The same for a session that is over: the pool's session ends too. */
  async forget(c: C): Promise<void> {
    const over = await this.close(c);
    if (over) this.#revoke(over.tokens);
  }

  async notify({ id }: ConsoleSession, notice: Notice): Promise<void> {
    await setConsoleNotice(this.#deps.db, id, this.#seal(id, notice));
  }

  /** Takes the notice that is meant for a page. */
  async takeNotice({ id, notice }: ConsoleSession, path: string): Promise<string | null> {
    if (notice === null || notice.to !== path) return null;
    await setConsoleNotice(this.#deps.db, id, null);
    return notice.text;
  }

  async #delete(id: string): Promise<ConsoleSession | null> {
    const row = await deleteConsoleSession(this.#deps.db, id);
    return row && this.#opened(row);
  }

  #revoke({ refreshToken }: Tokens): void {
    this.#deps.afterwards(() => this.#deps.sessions.revoke(refreshToken));
  }

  async #refresh(
    row: ConsoleSessionRow,
    session: ConsoleSession,
  ): Promise<ConsoleSession | 'ended'> {
    const { db } = this.#deps;
    let tokens: Tokens | null;
    try {
      tokens = await refreshTokens(this.#deps, session.tokens.refreshToken);
    } catch (error) {
      await endTokenRefresh(db, row, null);
      if (error instanceof ProviderUnavailable && isAlive(session.tokens)) return session;
      throw error;
    }
    if (tokens === null) {
      await deleteConsoleSession(db, row.id);
      return 'ended';
    }
    let isKept = false;
    try {
      isKept = await endTokenRefresh(db, row, this.#seal(row.id, tokens));
    } finally {
      if (!isKept) this.#revoke(tokens);
    }
    return isKept ? { ...session, tokens } : 'ended';
  }

  #seal(id: string, content: Tokens | Notice): Uint8Array {
    const { secret, console } = this.#deps;
    return console.sealing.seal(secret(JSON.stringify(content)), id);
  }

  #open(sealed: Uint8Array, id: string): unknown {
    try {
      return JSON.parse(this.#deps.console.sealing.open(sealed, id).reveal());
    } catch (error) {
      // The key is not configured any more.
      if (error instanceof SealLost) return null;
      throw error;
    }
  }

  #opened(row: ConsoleSessionRow): ConsoleSession | null {
    const { id, userId, name, csrfToken, sealedTokens, sealedNotice } = row;
    const tokens = this.#open(sealedTokens, id) as
      | (Omit<Tokens, 'expiresAt'> & { readonly expiresAt: string })
      | null;
    if (tokens === null) return null;
    const expiresAt = new Date(tokens.expiresAt);
    const notice = sealedNotice && (this.#open(sealedNotice, id) as Notice | null);
    return { id, userId, name, csrfToken, tokens: { ...tokens, expiresAt }, notice };
  }

  #idOf(c: C): string | null {
    const secret = getCookie(c, this.#cookie);
    return secret ? digestOf(secret) : null;
  }

  #attributes() {
    return { path: '/', httpOnly: true, secure: this.#isSecure, sameSite: 'Strict' } as const;
  }
}

/** Whether two secrets are the same, in a time that does not tell how much of them is. */
export function isSameSecret(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function isAlive({ expiresAt }: Tokens): boolean {
  return expiresAt.getTime() > Date.now();
}

function isNearlyExpired({ expiresAt }: Tokens): boolean {
  return expiresAt.getTime() - Date.now() < REFRESH_BEFORE_MS;
}
