import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { signOut } from '../accounts/sign-in.ts';
import type { AppDeps } from '../app-deps.ts';
import type { Api } from '../openapi/mount.ts';
import { Problem } from '../problems/problem-details.ts';
import { readForm } from '../request/body.ts';
import { mountConsoleAssets } from './assets.ts';
import type { ApiProblem } from './call-api.ts';
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
import { mountAttention } from './pages/attention.ts';
import { mountNew } from './pages/new.ts';
import { mountPerson } from './pages/person.ts';
import { mountSystem } from './pages/system.ts';
import { problemBox } from './parts.ts';
import { ConsoleSessions, isSameSecret, type ConsoleDeps } from './sessions.ts';
import { mountSignIn } from './sign-in.ts';
import type { Action, ConsoleRoutes, FormFields, Page } from './visit.ts';
import { createVisits, type SignedInVisit } from './visits.ts';

const OLD_FORM = 'The form belongs to another session, so nothing was done. Open the page again.';
const NO_GRANTS: Page = {
  title: 'You may not do anything here',
  section: 'attention',
  status: 403,
  main: h.p(
    {},
    'None of your roles may do anything with registrations (ROLE_GRANTS). Ask an administrator for such a role, and sign in again.',
  ),
};

/** The web page for operators. */
export function mountConsole(api: Api, deps: ConsoleDeps): void {
  const sessions = new ConsoleSessions(deps);
  const visits = createVisits(api, deps, sessions, (visit) => show(visit, NO_GRANTS));

  const show = async (visit: SignedInVisit, page: Page, status: number = page.status ?? 200) => {
    const { c, session, operator } = visit;
    const notice = await sessions.takeNotice(session, c.req.path);
    const document = layout({ page, operator, csrfToken: session.csrfToken, notice });
    return await c.html(document, status as ContentfulStatusCode);
  };

  const confirm = async (
    visit: SignedInVisit,
    action: Action,
    sent: FormFields,
    problem: ApiProblem | null,
  ) => {
    const { c, session } = visit;
    const found = await action.confirm(visit);
    if (problem?.retryAfter) c.header('Retry-After', problem.retryAfter);
    if ('main' in found) {
      const main = [problem !== null && problemBox(problem), found.main];
      return await show(visit, { ...found, main }, problem?.status ?? found.status);
    }
    const { title, section } = found;
    const { pathname, search } = new URL(c.req.url);
    const form = { action: `${pathname}${search}`, csrfToken: session.csrfToken, sent, problem };
    const main = confirmationForm({ confirmation: found, ...form });
    return await show(visit, { title, section, main }, problem?.status);
  };

  const ask = (action: Action) => (visit: SignedInVisit) =>
    confirm(visit, action, NOTHING_SENT, null);

  const perform = (action: Action) => async (visit: SignedInVisit) => {
    const sent = await readCheckedForm(visit);
    const more = { reason: reasonOf(sent), idempotencyKey: idempotencyKeyOf(sent) };
    const answer = await action.perform(visit, { ...sent, ...more });
    if (!answer.ok) return await confirm(visit, action, sent, answer.problem);
    const { to, notice } = action.done(visit, answer.body);
    await sessions.notify(visit.session, { to: to.replace(/[?#].*$/, ''), text: notice });
    return visit.c.redirect(to, 303);
  };

  const routes: ConsoleRoutes = {
    page: (path, showPage) => {
      api.get(
        path,
        visits.page(async (visit) => await show(visit, await showPage(visit))),
      );
    },
    action: (path, action) => {
      api.get(path, visits.page(ask(action)));
      api.post(path, visits.page(perform(action)));
    },
    stream: (path, answer) => {
      api.get(path, visits.background(answer));
    },
  };

  mountConsoleAssets(api);
  mountSignIn(api, deps, sessions);
  api.post('/console/sign-out', async (c) => {
    const session = await sessions.readStored(c);
    if (session !== null) {
      await readCheckedForm({ c, session });
      const closed = await sessions.close(c);
      if (closed) deps.afterwards(() => signOut(deps, closed.userId, closed.tokens));
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

/** @throws Problem for a form that no page of this session has shown */
async function readCheckedForm({
  c,
  session,
}: Pick<SignedInVisit, 'c' | 'session'>): Promise<FormFields> {
  const sent = fieldsOf(await readForm(c));
  if (!isSameSecret(sent.get(CSRF_FIELD) ?? '', session.csrfToken)) {
    throw new Problem('forbidden', { detail: OLD_FORM });
  }
  return sent;
}

/** The console's dependencies, where it is served. */
export function consoleDeps(deps: AppDeps): ConsoleDeps | null {
  return deps.console === null ? null : { ...deps, console: deps.console };
}
