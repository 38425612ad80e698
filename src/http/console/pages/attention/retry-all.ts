import type { AttentionGroup } from '../../../../domain/overview.ts';
import { REMAINING_BOUND } from '../../../../ledger/work/retry-many.ts';
import { isFailureCode } from '../../../problems/problem-details.ts';
import type { RegistrationPage } from '../../../registrations/schemas.ts';
import { h, type Content } from '../../elements.ts';
import { counted, numberOf } from '../../numbers.ts';
import { mono } from '../../parts.ts';
import { problemPage } from '../../problem-page.ts';
import type { Action, Visit } from '../../visit.ts';
import type { z } from '@hono/zod-openapi';

/** The most that the API retries with one request. */
const AT_ONCE = 1000;
const TITLE = 'Retry all';
/** The statuses of which the API retries many. */
const RETRIED: Readonly<Record<Group['kind'], readonly string[]>> = {
  registration: ['roles_pending', 'cleanup_required'],
  change: ['parked'],
};

type Group = Pick<AttentionGroup, 'kind' | 'failureCode'> & { readonly status: string };

export function retryAllPath({ kind, status, failureCode }: Group): string {
  const query = new URLSearchParams({ kind, status });
  if (failureCode !== null) query.set('failureCode', failureCode);
  return `/console/attention/retry?${query.toString()}`;
}

/** `/console/attention/retry?kind=&status=&failureCode=` */
export const RETRY_ALL: Action = {
  confirm: async (visit) => {
    const group = groupOf(visit);
    if (!isKnown(group)) {
      const main = h.p({}, 'Nothing of this kind is retried.');
      return { title: TITLE, section: 'attention', status: 422, main };
    }
    const count = group.kind === 'registration' ? await countOf(visit, group) : null;
    if (count !== null && typeof count !== 'string') return count;
    return {
      title: TITLE,
      section: 'attention',
      explanation: explanation(group, count),
      asksReason: true,
      button: TITLE,
      back: '/console',
    };
  },
  perform: async (visit, { reason }) => {
    const { kind, status, failureCode } = groupOf(visit);
    return await visit.api.send('POST', `/${kind}s/retry`, {
      status,
      ...(failureCode !== null && { failureCode }),
      ...(reason !== null && { reason }),
      limit: AT_ONCE,
    });
  },
  done: (visit, body) => {
    const { accepted, remaining } = body as { accepted: number; remaining: number };
    const { kind } = groupOf(visit);
    const rest =
      remaining === 0
        ? 'None remains.'
        : `${numberOf(remaining, REMAINING_BOUND)} more ${remaining === 1 ? 'remains' : 'remain'}: retry again.`;
    return { to: '/console', notice: `Retried ${counted(accepted, kind)}. ${rest}` };
  },
};

/** How many there are, in words; or the page that says why nobody knows. */
async function countOf(visit: Visit, { status, failureCode }: Group) {
  const query = new URLSearchParams({ limit: '1', status });
  if (failureCode !== null) query.set('failureCode', failureCode);
  const answer = await visit.api.get<z.infer<typeof RegistrationPage>>(
    `/registrations?${query.toString()}`,
  );
  if (!answer.ok) return problemPage('attention', TITLE, answer.problem);
  const { total } = answer.body;
  return total === null ? 'More than 10,000 registrations' : counted(total, 'registration');
}

function explanation({ kind, status, failureCode }: Group, count: string | null): Content {
  return [
    h.p(
      {},
      count ?? `Every ${kind}`,
      ' with the status ',
      mono(status),
      failureCode === null ? '' : [' and the failure code ', mono(failureCode)],
      kind === 'change' ? ' that you may see.' : '.',
    ),
    h.p(
      {},
      `Each goes on at once where it stopped, and each is audited with your name. One press takes up to ${numberOf(AT_ONCE)}, those that were retried least recently first.`,
    ),
  ];
}

/** A link from elsewhere must not write sentences of a page. */
function isKnown({ kind, status, failureCode }: Group): boolean {
  return RETRIED[kind].includes(status) && (failureCode === null || isFailureCode(failureCode));
}

/** The API checks the rest. */
function groupOf({ c }: Visit): Group {
  return {
    kind: c.req.query('kind') === 'change' ? 'change' : 'registration',
    status: c.req.query('status') ?? '',
    failureCode: c.req.query('failureCode') || null,
  };
}
