import { sql, type SQL } from 'drizzle-orm';
import type { StepRecord } from '../../domain/step.ts';

/** Records of steps, merged into the row's by name. */
export type StepUpdates = Readonly<Record<string, StepRecord>>;

export function mergeSteps(steps: StepUpdates): SQL {
  return sql`steps || ${JSON.stringify(steps)}::jsonb`;
}

export function stepDone(attempts: number): StepRecord {
  return { status: 'done', attempts, lastError: null };
}

/**
 * What the row remembers of its steps once everything was taken back.
 * @param keeps whether a step stays as it is: it takes others back, or cannot be taken back
 */
export function stepsTakenBack(
  steps: StepUpdates,
  keeps: (step: string) => boolean,
): Record<string, StepRecord> {
  const taken: Record<string, StepRecord> = {};
  for (const [name, step] of Object.entries(steps)) {
    if (keeps(name)) {
      taken[name] = step;
      continue;
    }
    const ended = step.status === 'retrying' ? 'failed' : step.status;
    taken[name] = { ...step, status: step.status === 'done' ? 'compensated' : ended };
  }
  return taken;
}

export function textArray(values: readonly string[]): SQL {
  return sql`${sql.param([...values])}::text[]`;
}
