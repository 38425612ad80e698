import type { Context } from 'hono';
import { csrf } from 'hono/csrf';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { grantsNothing } from '../../domain/grants.ts';
import { callerOf } from '../access/caller.ts';
import { TokenRejected } from '../access/tokens.ts';
import { signOut } from '../accounts/sign-in.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import type { Api } from '../openapi/mount.ts';
import { Problem, type ProblemBody } from '../problems/problem-details.ts';
import { readForm } from '../request/body.ts';
import { createApiClient, TokenEnded, type ApiProblem } from './call-api.ts';
import { mountConsoleAssets } from './assets.ts';
import { h } from './elements.ts';
import {
  confirmationForm,
  CSRF_FIELD,
  fieldsOf,
  idempotencyKeyOf,
  NOTHING_SENT,
  reasonOf,
} from './forms.ts';
import { layout } from './layout.ts';
import { mountLiveStream } from './live-stream.ts';
import { problemBox } from './parts.ts';
import { mountAttention } from './pages/attention.ts';
import { mountNew } from './pages/new.ts';
import { mountPerson } from './pages/person.ts';
import { mountSystem } from './pages/system.ts';
import {
  ConsoleSessions,
  isSameSecret,
  type ConsoleDeps,
  type ConsoleSession,
} from './sessions.ts';
import { mountSignIn, signInPath, type EndReason } from './sign-in.ts';
import type { Action, ConsoleRoutes, FormFields, Page, Visit } from './visit.ts';

type C = Context<AppEnv>;

const POLICY = [
  "default-src 'none'",
  ...["style-src 'self'", "script-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"],
].join('; ');
const OTHER_SITE = 'The form was not sent from a page of this console, so nothing was done.';
const OLD_FORM = 'The form belongs to another session, so nothing was done. Open the page again.';

/** A visit with what the pages do not see. */
interface SignedInVisit extends Visit {
  readonly session: ConsoleSession;
}

/** Must be called before any middleware that refuses requests: an error below `/console` is a page. */
export function answerWithPages(api: Api): void {
  const isSameSite = csrf({
    // The host alone: a proxy may end TLS.
    origin: (origin, c) => URL.parse(origin)?.host === new URL(c.req.url).host,
  });
  api.use('/console/*', async (c, next) => {
    c.set('errorPage', (problem) => errorPage(c, problem));
    c.header('Content-Security-Policy', POLICY);
    // With `no-referrer`, browsers send forms with `Origin: null`.
    c.header('Referrer-Policy', 'same-origin');
    const mayPass = await isSameSite(c, async () => undefined).then(
      () => true,
      () => false,
    );
    if (!mayPass) throw new Problem('forbidden', { detail: OTHER_SITE });
    await next();
  });
}

/** The web page for operators. */
export function mountConsole(api: Api, deps: ConsoleDeps): void {
  const sessions = new ConsoleSessions(deps);
  const endSession = async (c: C, reason: EndReason): Promise<Response> => {
    await sessions.close(c);
    return c.redirect(signInPath(c, reason), 303);
  };

  /** @returns a response where nobody is signed in */
  const visitOf = async (c: C): Promise<SignedInVisit | Response> => {
    const session = await sessions.read(c);
    if (session === null) return await endSession(c, sessions.has(c) ? 'expired' : 'none');
    const { userId, name, tokens } = session;
    try {
      const claims = await deps.verifyToken(tokens.accessToken);
      if (!(await deps.cutoffs.counts(tokens.accessToken, claims))) throw new TokenEnded();
      const { grants } = callerOf(claims, deps.grants);
      const api_ = createApiClient(api, c, tokens.accessToken);
      return { c, session, api: api_, operator: { userId, name, grants } };
    } catch (error) {
      if (error instanceof TokenRejected || error instanceof TokenEnded)
        return await endSession(c, 'ended');
      throw error;
    }
  };

  /** Shows what `answer` returns, to somebody who is signed in and may do something. */
  const visited = (answer: (visit: SignedInVisit) => Promise<Response>) => async (c: C) => {
    const visit = await visitOf(c);
    if (visit instanceof Response) return visit;
    if (grantsNothing(visit.operator.grants)) return await show(visit, NO_GRANTS);
    try {
      return await answer(visit);
    } catch (error) {
      if (error instanceof TokenEnded) return await endSession(c, 'ended');
      throw error;
    }
  };

  const show = async (visit: SignedInVisit, page: Page, status: number = page.status ?? 200) => {
    const { c, session, operator } = visit;
    const notice = await sessions.takeNotice(session, c.req.path);
    const document = layout({ page, operator, csrfToken: session.csrfToken, notice });
    return c.html(document, status as ContentfulStatusCode);
  };

  const confirm = async (
    visit: SignedInVisit,
    action: Action,
    sent: FormFields,
    problem: ApiProblem | null,
  ) => {
    const found = await action.confirm(visit);
    const status = problem?.status;
    if (problem?.retryAfter) visit.c.header('Retry-After', problem.retryAfter);
    if ('main' in found) {
      const main = [problem !== null && problemBox(problem), found.main];
      return await show(visit, { ...found, main }, status ?? found.status);
    }
    const { title, section } = found;
    const { csrfToken } = visit.session;
    const { pathname, search } = new URL(visit.c.req.url);
    const main = confirmationForm({
      confirmation: found,
      action: `${pathname}${search}`,
      csrfToken,
      sent,
      problem,
    });
    return await show(visit, { title, section, main }, status);
  };

  const checkedForm = async ({ c, session }: SignedInVisit): Promise<FormFields> => {
    const sent = fieldsOf(await readForm(c));
    if (!isSameSecret(sent.get(CSRF_FIELD) ?? '', session.csrfToken)) {
      throw new Problem('forbidden', { detail: OLD_FORM });
    }
    return sent;
  };

  const routes: ConsoleRoutes = {
    page: (path, showPage) => {
      api.get(
        path,
        visited(async (visit) => await show(visit, await showPage(visit))),
      );
    },
    action: (path, action) => {
      api.get(
        path,
        visited((visit) => confirm(visit, action, NOTHING_SENT, null)),
      );
      api.post(
        path,
        visited(async (visit) => {
          const sent = await checkedForm(visit);
          const reason = reasonOf(sent);
          const idempotencyKey = idempotencyKeyOf(sent);
          const answer = await action.perform(visit, { ...sent, reason, idempotencyKey });
          if (!answer.ok) return await confirm(visit, action, sent, answer.problem);
          const { to, notice } = action.done(visit, answer.body);
          await sessions.notify(visit.session, { to: to.replace(/[?#].*$/, ''), text: notice });
          return visit.c.redirect(to, 303);
        }),
      );
    },
    stream: (path, answer) => {
      api.get(path, visited(answer));
    },
  };

  mountConsoleAssets(api);
  mountSignIn(api, deps, sessions);
  api.post('/console/sign-out', async (c) => {
    const session = await sessions.read(c);
    if (session) {
      const sent = fieldsOf(await readForm(c));
      if (!isSameSecret(sent.get(CSRF_FIELD) ?? '', session.csrfToken)) {
        throw new Problem('forbidden', { detail: OLD_FORM });
      }
      await sessions.close(c);
      deps.afterwards(() => signOut(deps, session.userId, session.tokens));
    }
    return c.redirect('/console/sign-in?reason=signed_out', 303);
  });
  api.get('/console/', (c) => c.redirect('/console', 301));
  mountAttention(routes, deps);
  mountPerson(routes, deps);
  mountNew(routes, deps);
  mountLiveStream(routes);
  mountSystem(routes, deps);
}

const NO_GRANTS: Page = {
  title: 'You may not do anything here',
  section: 'attention',
  status: 403,
  main: h.p(
    {},
    'Your account has no role that ROLE_GRANTS lets do something. Ask an administrator for one, and sign in again.',
  ),
};

async function errorPage(
  c: C,
  { title, status, detail, instance }: ProblemBody,
): Promise<Response> {
  const main = [
    h.p({}, detail),
    h.p({ class: 'dim' }, `Request ${instance.replace('urn:uuid:', '')}`),
    h.p({}, h.a({ href: '/console' }, 'Needs a person')),
  ];
  const page = { title, section: null, main };
  const document = layout({ page, operator: null, csrfToken: null, notice: null });
  return await c.html(document, status as ContentfulStatusCode);
}

/** The console's dependencies, where it is served. */
export function consoleDeps(deps: AppDeps): ConsoleDeps | null {
  return deps.console === null ? null : { ...deps, console: deps.console };
}
