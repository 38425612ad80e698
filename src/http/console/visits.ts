import type { Context } from 'hono';
import { grantsNothing } from '../../domain/grants.ts';
import { callerOf } from '../access/caller.ts';
import { TokenRejected } from '../access/tokens.ts';
import type { AppEnv } from '../app-deps.ts';
import type { Api } from '../openapi/mount.ts';
import { createApiClient, TokenEnded } from './call-api.ts';
import { showErrorsTo } from './error-pages.ts';
import type { ConsoleDeps, ConsoleSession, ConsoleSessions } from './sessions.ts';
import { signInPath, type EndReason } from './sign-in.ts';
import type { Visit } from './visit.ts';

type C = Context<AppEnv>;

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
    const session = await sessions.read(c, counts);
    if (typeof session === 'string') return session;
    const { userId, name, csrfToken, tokens } = session;
    const claims = await deps.verifyToken(tokens.accessToken);
    if (!(await deps.cutoffs.counts(tokens.accessToken, claims))) return 'ended';
    const { grants } = callerOf(claims, deps.grants);
    const operator = { userId, name, grants };
    showErrorsTo(c, { operator, csrfToken });
    return { c, session, operator, api: createApiClient(api, c, tokens.accessToken) };
  };

  const visited =
    (answer: Answer, counts: boolean, over: (c: C, reason: EndReason) => Response) =>
    async (c: C): Promise<Response> => {
      const end = async (reason: EndReason) => {
        if (reason !== 'none') await sessions.close(c);
        return over(c, reason);
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

  return {
    page: (answer) =>
      visited(answer, true, (c, reason) => {
        const isForm = reason === 'none' && c.req.method === 'POST';
        return c.redirect(signInPath(c, isForm ? 'not_done' : reason), 303);
      }),
    background: (answer) => visited(answer, false, (c) => c.body(null, 401)),
  };
}
