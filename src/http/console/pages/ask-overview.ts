import type { Overview } from '../../../domain/overview.ts';
import type { OverviewAnswer } from '../../operations/overview-schemas.ts';
import type { ApiAnswer } from '../call-api.ts';
import type { Visit } from '../visit.ts';

/** The overview as the API answers it, with times as times. */
export async function askOverview({ api }: Pick<Visit, 'api'>): Promise<ApiAnswer<Overview>> {
  const answer = await api.get<OverviewAnswer>('/overview');
  return answer.ok ? { ...answer, body: overviewOf(answer.body) } : answer;
}

function overviewOf(answer: OverviewAnswer): Overview {
  const { needsAttention, outbox, schedules, comparison, dependencies, ...rest } = answer;
  return {
    ...rest,
    needsAttention: needsAttention.map(({ oldestAt, ...group }) => ({
      ...group,
      oldestAt: new Date(oldestAt),
    })),
    outbox: outbox.map(({ oldestAt, nextAttemptAt, ...state }) => ({
      ...state,
      oldestAt: timeOrNull(oldestAt),
      nextAttemptAt: timeOrNull(nextAttemptAt),
    })),
    comparison: comparison && {
      ...comparison,
      startedAt: new Date(comparison.startedAt),
      finishedAt: new Date(comparison.finishedAt),
    },
    temporal: {
      away: dependencies.temporal === 'ok' ? null : 'does not answer',
      isPolled: dependencies.worker && dependencies.worker === 'ok',
      schedules: schedules.map(({ lastRunAt, nextRunAt, ...schedule }) => ({
        ...schedule,
        lastRunAt: timeOrNull(lastRunAt),
        nextRunAt: timeOrNull(nextRunAt),
      })),
    },
    // The answer has no time of PostgreSQL; a difference of seconds between clocks changes nothing.
    readAt: new Date(),
  };
}

function timeOrNull(iso: string | null): Date | null {
  return iso === null ? null : new Date(iso);
}
