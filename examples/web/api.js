/**
 * The calls of the session door, and the tokens of who is signed in.
 *
 * The tokens are in this module's memory and nowhere else: what is in localStorage, sessionStorage or a
 * readable cookie can be read by every script that ever gets into the page, and outlives the tab. The
 * price is that a reload signs out. An application that wants to stay signed in keeps the refresh token
 * in an HttpOnly cookie, behind a small server of its own.
 */

/** Where the API is. From another origin, name yours in CORS_ORIGINS. */
const API = new URL('/', location.href);

/** Renewed so long before it ends, because clocks differ and a request takes time. */
const EARLY_MS = 30_000;

/** @type {{access: string, refresh: string, expiresAt: number} | null} */
let tokens = null;
/** The refresh under way: its token works once, so two requests must not both send it. */
let refreshing = null;

/** An answer that is an error. */
export class ApiError extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(textOf(status, body));
    this.status = status;
    /** 403 `challenge_required`: `{challenge, session, options, destination, secret}`; else null. */
    this.challenge = status === 403 && body?.code === 'challenge_required' ? body : null;
    /** 422: what is wrong with which field, `[{field, text}]`. */
    this.fields = Array.isArray(body?.detail)
      ? body.detail.map(({ loc, msg }) => ({ field: String(loc.at(-1)), text: msg }))
      : [];
  }
}

function textOf(status, body) {
  if (status === 429) return 'Too many attempts. Please wait a moment and try again.';
  if (Array.isArray(body?.detail)) return body.detail.map(({ msg }) => msg).join(' ');
  return typeof body?.detail === 'string' ? body.detail : 'Something went wrong. Please try again.';
}

export const isSignedIn = () => tokens !== null;

export const signUp = (person) => signInBy('/auth/register', person);
export const signIn = (username, password) => signInBy('/auth/login', { username, password });
/** @param {{username: string, challenge: string, session: string, new_password?: string, code?: string}} answer */
export const answerChallenge = (answer) => signInBy('/auth/challenge', answer);

export const forgotPassword = (username) => call('POST', '/auth/forgot-password', { username });
export const resetPassword = (fields) => call('POST', '/auth/reset-password', fields);

/** @param {{username: string, password: string} | null} pair instead of a token, where there is none */
export const requestCode = (pair) =>
  pair
    ? call('POST', '/auth/verify-email/request', pair)
    : callSignedIn('POST', '/auth/verify-email/request', {});
export const verifyEmail = (code, pair) =>
  pair
    ? signInBy('/auth/verify-email', { ...pair, code })
    : callSignedIn('POST', '/auth/verify-email', { code });

export const profile = () => callSignedIn('GET', '/profile');
export const changeNames = (names) => callSignedIn('PATCH', '/profile', names);
export async function changePassword(fields) {
  return keep(await callSignedIn('POST', '/auth/change-password', fields));
}

export async function signOut() {
  try {
    // The token of that moment: the call may have to renew it first.
    await callSignedIn('POST', '/auth/logout', () => ({ refresh_token: tokens?.refresh }));
  } finally {
    tokens = null;
  }
}

async function signInBy(path, body) {
  return keep(await call('POST', path, body));
}

/** Keeps the tokens of an answer that has some. */
function keep(body) {
  if (body?.access_token) {
    tokens = {
      access: body.access_token,
      refresh: body.refresh_token,
      expiresAt: Date.parse(body.expires_at),
    };
  }
  return body;
}

/** A call with the access token, which is renewed when it is over, also before its time.
 * @param {object | (() => object)} [body] a function where it depends on the tokens */
async function callSignedIn(method, path, body) {
  const send = () => {
    const json = typeof body === 'function' ? body() : body;
    return call(method, path, json, tokens?.access);
  };
  if (tokens && tokens.expiresAt - EARLY_MS < Date.now()) await refreshOnce();
  const sent = tokens?.access;
  try {
    return await send();
  } catch (error) {
    if (error.status !== 401 || tokens === null) throw error;
    // Another call may have renewed it meanwhile.
    if (tokens.access === sent) await refreshOnce();
    return await send();
  }
}

/** Refresh tokens rotate: each works once, and its answer brings the next. */
function refreshOnce() {
  refreshing ??= call('POST', '/auth/refresh', { refresh_token: tokens?.refresh })
    .then(keep, (error) => {
      if (error.status === 401) tokens = null;
      throw error;
    })
    .finally(() => {
      refreshing = null;
    });
  return refreshing;
}

async function call(method, path, body, accessToken) {
  const request = { method, headers: {} };
  if (accessToken !== undefined) request.headers['authorization'] = `Bearer ${accessToken}`;
  if (body !== undefined) {
    request.headers['content-type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(new URL(path, API), request);
  } catch {
    throw new ApiError(0, { detail: 'The server cannot be reached. Please try again.' });
  }
  const text = await answer.text();
  const json = text === '' ? null : parse(text);
  if (!answer.ok) throw new ApiError(answer.status, json);
  return json;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
