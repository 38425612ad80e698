import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { parseTemporalSettings } from '../src/config/config.ts';
import { workflowBundle } from '../worker/bundle.ts';
import { replayLatest } from '../worker/replay.ts';
import { connectTemporal } from '../src/temporal/connection.ts';
import { runMain } from '../src/run-main.ts';

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await runMain(async () => {
  const { values } = parseArgs({ options: { last: { type: 'string', default: '100' } } });
  const last = Number(values.last);
  if (!Number.isSafeInteger(last) || last < 1) {
    throw new Error(`--last must be a whole number of at least 1, not "${values.last}"`);
  }
  const temporal = parseTemporalSettings(process.env);
  const { namespace, taskQueue } = temporal;
  // The SDK's message about a failed replay is printed as its reason.
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
  });
  const connection = await connectTemporal(temporal);
  try {
    const client = new Client({ connection, namespace });
    const options = { taskQueue, last, workflowBundle: await workflowBundle() };
    const { replayed, misfits } = await replayLatest(client, options, (misfit) => {
      print(`${misfit.workflowId} ${misfit.runId}: ${misfit.reason}`);
    });
    if (misfits > 0) process.exitCode = 1;
    else if (replayed === 0) print(`Task queue ${taskQueue} has no runs: nothing was replayed.`);
    else print(`All replays succeeded. Runs replayed: ${replayed}.`);
  } finally {
    await connection.close();
  }
});
