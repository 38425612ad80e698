import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';

/** Background runs are alike and many: a few of each kind say as much as a hundred. */
const BACKGROUND_RUNS = 10;
const BACKGROUND = [
  'sweepRegistrations',
  'resumeStuckRegistrations',
  'relayEvents',
  'comparePool',
] as const;

export interface ReplayOptions {
  readonly taskQueue: string;
  /** How many runs of `registerUser`, and of `changeUser`. */
  readonly last: number;
  readonly workflowBundle: WorkflowBundleOption;
}

/** A run that this code would not have made. */
export interface Misfit {
  readonly workflowId: string;
  readonly runId: string;
  /** Of the SDK: event types and activity ids, nothing of a person. */
  readonly reason: string;
}

export interface ReplayReport {
  readonly replayed: number;
  readonly misfits: number;
}

/**
 * Replays the latest runs of a deployment with this workflow code, open ones first, then those that
 * closed last. Only reads; throws when Temporal does not answer.
 */
export async function replayLatest(
  client: Client,
  options: ReplayOptions,
  found: (misfit: Misfit) => void,
): Promise<ReplayReport> {
  let replayed = 0;
  let misfits = 0;
  const results = Worker.runReplayHistories(
    { workflowBundle: options.workflowBundle },
    historiesOf(client, options),
  );
  for await (const { workflowId, runId, error } of results) {
    replayed += 1;
    if (!error) continue;
    misfits += 1;
    found({ workflowId, runId, reason: error.message.split('\n', 1)[0] ?? error.name });
  }
  return { replayed, misfits };
}

async function* historiesOf(client: Client, { taskQueue, last }: ReplayOptions) {
  const wanted = [
    ['registerUser', last],
    ['changeUser', last],
    ...BACKGROUND.map((type) => [type, BACKGROUND_RUNS]),
  ];
  for (const [type, count] of wanted) {
    const query = `WorkflowType = '${type}' AND TaskQueue = '${taskQueue.replaceAll("'", "''")}'`;
    let left = Number(count);
    for await (const { workflowId, runId } of client.workflow.list({ query, pageSize: left })) {
      if (left <= 0) break;
      left -= 1;
      try {
        yield {
          workflowId,
          history: await client.workflow.getHandle(workflowId, runId).fetchHistory(),
        };
      } catch (error) {
        // Its retention ended between the list and this.
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    }
  }
}
