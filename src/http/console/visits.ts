import type { Context } from 'hono';
import { grantsNothing } from '../../domain/grants.ts';
import { callerOf } from '../access/caller.ts';
import { TokenRejected } from '../access/tokens.ts';
import type { AppEnv } from '../app-deps.ts';
import type { Api } from '../openapi/mount.ts';
import { createApiClient, TokenEnded } from './call-api.ts';
import { h } from './elements.ts';
import { showErrorsTo } from './error-pages.ts';
import { layout } from './layout.ts';
import type { ConsoleDeps, ConsoleSession, ConsoleSessions } from './sessions.ts';
import { signInPath, type EndReason } from './sign-in.ts';
import type { Visit } from './visit.ts';

type C = Context<AppEnv>;

/** console.js sends it with what no person asked for: reading a page again. */
const BACKGROUND = 'x-background';

/** A visit with what the pages do not see. */
export interface SignedInVisit extends Visit {
  readonly session: ConsoleSession;
}

type Answer = (visit: SignedInVisit) => Promise<Response>;

export interface Visits {
  /** A handler for people who are signed in; others are sent to the sign-in, and come back. */
  page(answer: Answer): (c: C) => Promise<Response>;
  /** The same for what no person reads, such as a stream: 401 for others. It does not keep a session from
   * ending, since it goes on without a person. */
  background(answer: Answer): (c: C) => Promise<Response>;
}

/** @param forbidden what somebody sees who may do nothing */
export function createVisits(
  api: Api,
  deps: ConsoleDeps,
  sessions: ConsoleSessions,
  forbidden: Answer,
): Visits {
  const visitOf = async (c: C, counts: boolean): Promise<SignedInVisit | EndReason> => {
    const found = await sessions.read(c, counts);
    if (typeof found === 'string') return found;
    // A notice is for the page that a person opens.
    const session = counts ? found : { ...found, notice: null };
    const { userId, name, csrfToken, tokens } = session;
    const claims = await deps.verifyToken(tokens.accessToken);
    if (!(await deps.cutoffs.counts(tokens.accessToken, claims))) return 'ended';
    const { grants } = callerOf(claims, deps.grants);
    const operator = { userId, name, grants };
    showErrorsTo(c, { operator, csrfToken });
    return { c, session, operator, api: createApiClient(api, c, tokens.accessToken) };
  };

  const visited =
    (
      answer: Answer,
      over: (c: C, reason: EndReason) => Response | Promise<Response>,
      counts: boolean,
    ) =>
    async (c: C): Promise<Response> => {
      const end = async (reason: EndReason) => {
        // A script's late answer must not take the cookie of a sign-in that another tab has made since.
        if (counts && reason !== 'none') await sessions.forget(c);
        return await over(c, reason);
      };
      try {
        const visit = await visitOf(c, counts);
        if (typeof visit === 'string') return await end(visit);
        return await (grantsNothing(visit.operator.grants) ? forbidden : answer)(visit);
      } catch (error) {
        if (error instanceof TokenEnded || error instanceof TokenRejected)
          return await end('ended');
        throw error;
      }
    };

  const noPage = (c: C) => c.body(null, 401);
  return {
    page: (answer) => {
      const forPerson = visited(answer, leadToSignIn, true);
      const forScript = visited(answer, noPage, false);
      return async (c) => await (c.req.header(BACKGROUND) === undefined ? forPerson : forScript)(c);
    },
    background: (answer) => visited(answer, noPage, false),
  };
}

function leadToSignIn(c: C, reason: EndReason): Response | Promise<Response> {
  const isForm = reason === 'none' && c.req.method === 'POST';
  const path = signInPath(c, isForm ? 'not_done' : reason);
  const isLinked = reason === 'none' && c.req.header('sec-fetch-site') === 'cross-site';
  return isLinked ? goOnFromHere(c, path) : c.redirect(path, 303);
}

/** For a link from another site, whose request has no strict cookie: the next one comes from our own page,
 * and has it. */
function goOnFromHere(c: C, path: string): Response | Promise<Response> {
  c.header('Refresh', `0; url=${path}`);
  const main = h.p({}, h.a({ href: path }, 'Go on'));
  const page = { title: 'Console', section: null, main };
  return c.html(layout({ page, operator: null, csrfToken: null, notice: null }));
}
