import type { Client } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { workflowIdOf } from '../../src/domain/registration.ts';
import { billableActions } from './billable-actions.ts';
import { countWrites, writesSince } from './database-writes.ts';
import { register, type Target } from './load.ts';
import { median } from './statistics.ts';

/** What one registration costs in whole numbers, when nothing goes wrong. */
export interface HappyPath {
  readonly historyEvents: number;
  readonly billableActions: number;
  /** Transactions in the ledger that changed something. */
  readonly ledgerCommits: number;
}

const REGISTRATIONS = 15;
const CLOSED_MS = 1000;

/** The medians of a few registrations one by one: background work that comes between does not count. */
export async function countHappyPath(
  target: Target,
  ledgerUrl: string,
  client: Client,
  hasWorkflow: boolean,
): Promise<HappyPath> {
  const counter = countWrites(ledgerUrl);
  const commits: number[] = [];
  const ids: string[] = [];
  try {
    for (let count = 0; count < REGISTRATIONS; count += 1) {
      const before = await counter.read();
      const { id, status } = await register(target);
      if (status !== 201) throw new Error(`a registration by one caller ended with ${status}`);
      ids.push(id);
      commits.push(writesSince(before, await counter.read()).commits);
    }
  } finally {
    await counter.close();
  }
  const ledgerCommits = median(commits);
  if (!hasWorkflow) return { historyEvents: 0, billableActions: 0, ledgerCommits };
  // The answer comes before the end of the run.
  await sleep(CLOSED_MS);
  const histories = await Promise.all(
    ids.map(async (id) => {
      const { events } = await client.workflow.getHandle(workflowIdOf(id)).fetchHistory();
      return events ?? [];
    }),
  );
  return {
    historyEvents: median(histories.map((events) => events.length)),
    billableActions: median(histories.map(billableActions)),
    ledgerCommits,
  };
}

/** What Registrar may cost; more fails the benchmark. */
const MOST: HappyPath = { historyEvents: 6, billableActions: 2, ledgerCommits: 3 };

/** One line for each count that has grown. */
export function grownCounts(path: HappyPath, most: HappyPath = MOST): string[] {
  const counts = [
    ['history events', path.historyEvents, most.historyEvents],
    ['billable actions', path.billableActions, most.billableActions],
    ['commits in the ledger', path.ledgerCommits, most.ledgerCommits],
  ] as const;
  return counts
    .filter(([, count, limit]) => !(count <= limit))
    .map(([name, count, limit]) => `${name} on the happy path: ${count}, at most ${limit}`);
}
