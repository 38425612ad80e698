import type { Overview } from '../../domain/overview.ts';
import { readOverview } from '../../ledger/overview.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import { Problem } from '../problems/problem-details.ts';
import { WRONG_PARAMETER } from '../problems/problem-examples.ts';
import type { AppDeps } from '../app-deps.ts';
import { OverviewSchema, type OverviewAnswer } from './overview-schemas.ts';

export function mountOverview(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      method: 'get',
      path: '/overview',
      operationId: 'getOverview',
      summary: 'See what needs a person',
      description:
        'What waits for a person with the request that clears it, and the state of the outbox, quotas, schedules and dependencies. Only for callers with the grant `*`. Counts go up to 10,000 for each status and failure code.',
      tags: ['Operations'],
      security: BEARER,
      responses: {
        200: json(OverviewSchema, 'The overview.'),
        ...problems({ wrong: WRONG_PARAMETER }, 'forbidden', 'invalid_request'),
      },
    },
    async (c) => {
      if (c.var.caller.grants !== '*') throw new Problem('forbidden');
      return c.json(answerOf(await currentOverview(deps)), 200);
    },
  );
}

/** For callers with the grant `*`. @throws DatabaseError */
export async function currentOverview(deps: AppDeps): Promise<Overview> {
  return await readOverview({ ...deps, temporal: () => deps.temporal.overview() });
}

function answerOf(overview: Overview): OverviewAnswer {
  const { registrations, changes, quotas, comparison, temporal } = overview;
  return {
    registrations,
    changes,
    needsAttention: overview.needsAttention.map(({ oldestAt, ...group }) => ({
      ...group,
      oldestAt: oldestAt.toISOString(),
    })),
    outbox: overview.outbox.map(({ oldestAt, nextAttemptAt, ...state }) => ({
      ...state,
      oldestAt: iso(oldestAt),
      nextAttemptAt: iso(nextAttemptAt),
    })),
    quotas: [...quotas],
    schedules: temporal.schedules.map(({ lastRunAt, nextRunAt, ...schedule }) => ({
      ...schedule,
      lastRunAt: iso(lastRunAt),
      nextRunAt: iso(nextRunAt),
    })),
    comparison: comparison && {
      ...comparison,
      startedAt: comparison.startedAt.toISOString(),
      finishedAt: comparison.finishedAt.toISOString(),
    },
    dependencies: {
      // Without it there is no overview.
      database: 'ok',
      temporal: temporal.away === null ? 'ok' : 'degraded',
      worker: temporal.isPolled === null ? null : temporal.isPolled ? 'ok' : 'degraded',
    },
  };
}

function iso(time: Date | null): string | null {
  return time?.toISOString() ?? null;
}
