// One of those that Registrar is compared with, as a process of its own: its HTTP, its accept row, and
// behind them the saga of Temporal's samples, an empty workflow, or no engine.
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, NativeConnection, Worker } from '@temporalio/worker';
import { registerAtOnce } from '../../activities/registration/register-at-once.ts';
import { parseConfig, type Config } from '../../src/config/config.ts';
import { emailOf, type Registration, workflowIdOf } from '../../src/domain/registration.ts';
import { NO_TELEMETRY } from '../../src/domain/telemetry.ts';
import { UpdateHub } from '../../src/http/receipts/row-updates.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { drainOnSignal, runMain } from '../../src/run-main.ts';
import { openLog } from '../../src/telemetry/log.ts';
import { wireApi, wireProcess, type Parts } from '../../src/wiring.ts';
import { contenderApp, type Register } from './contender-app.ts';
import { createSagaActivities, type SagaActivities } from './saga-activities.ts';
import { emptyWorkflow, sagaWorkflow } from './saga-workflow.ts';

const CALL_MS = 4000;
type Log = ReturnType<typeof openLog>;

async function runWorker(
  { temporal: { namespace, taskQueue } }: Config,
  connection: NativeConnection,
  activities: Partial<SagaActivities>,
): Promise<void> {
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./saga-workflow.ts', import.meta.url)),
  });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle,
    activities: { ...activities },
  });
  void worker.run();
}

/** As the documentation has it: a client, a worker, and the result of the workflow awaited. */
async function saga(config: Config, { pool, provider }: Parts): Promise<Register> {
  const { address, namespace, taskQueue } = config.temporal;
  const connection = await NativeConnection.connect({ address });
  await runWorker(config, connection, createSagaActivities(pool.db, provider));
  const client = new Client({ connection: await Connection.connect({ address }), namespace });
  return async (accepted) => {
    const { id, roles } = accepted;
    const email = emailOf(accepted);
    const userId = await client.workflow.execute(sagaWorkflow, {
      workflowId: workflowIdOf(id),
      taskQueue,
      args: [{ id, email, roles }],
    });
    return completed(accepted, userId);
  };
}

/** Eager, on the connection of the worker, as Registrar starts its own. */
async function empty(config: Config): Promise<Register> {
  const { address, namespace, taskQueue } = config.temporal;
  const connection = await NativeConnection.connect({ address });
  await runWorker(config, connection, {});
  const client = new Client({ connection, namespace });
  return async (accepted) => {
    await client.workflow.execute(emptyWorkflow, {
      workflowId: workflowIdOf(accepted.id),
      taskQueue,
      requestEagerStart: true,
    });
    return completed(accepted, accepted.id);
  };
}

/** The calls to Cognito and the ledger that Registrar makes, and nothing that survives a crash. */
async function direct(_config: Config, parts: Parts, log: Log): Promise<Register> {
  return await Promise.resolve(async ({ id }: Registration) => {
    const ctx = {
      db: parts.pool.db,
      provider: parts.provider,
      sealing: parts.sealing,
      sessions: null,
      publicMailsPerDay: null,
      acquireQuota: async () => await Promise.resolve(),
      graceMs: 30_000,
      unreadableAfterMs: 120_000,
      signal: AbortSignal.timeout(CALL_MS),
      attempt: 1,
      slow: false,
      log,
      telemetry: NO_TELEMETRY,
    };
    const { row, stopped } = await registerAtOnce(ctx, id);
    if (stopped || row.status !== 'completed') throw new Error(`not completed: ${row.status}`);
    return row;
  });
}

function completed(accepted: Registration, userId: string): Registration {
  return { ...accepted, status: 'completed', userId, cognitoUsername: userId };
}

const CONTENDERS: Readonly<
  Record<string, (config: Config, parts: Parts, log: Log) => Promise<Register>>
> = { saga, empty, direct };

await runMain(async () => {
  const contender = CONTENDERS[process.argv[2] ?? ''];
  if (!contender) throw new Error(`usage: contender.ts ${Object.keys(CONTENDERS).join('|')}`);
  const config = parseConfig(process.env);
  const log = openLog(config.logLevel, 'api');
  const closing = new AbortController();
  const parts = wireProcess(config, { hostsWorker: false, changed: () => undefined, log });
  const register = await contender(config, parts, log);
  const updates = new UpdateHub();
  const deps = wireApi(config, parts, {
    log,
    updates,
    commonPasswords: new Set(),
    afterwards: () => undefined,
    closing: closing.signal,
  });
  const runs = { ...deps.runs, startSoon: () => undefined };
  const server = createHttpServer(contenderApp({ ...deps, runs }, register).fetch, log);
  server.listen(config.http.port, config.http.host, () => {
    log.info({ port: (server.address() as AddressInfo).port }, 'listening');
  });
  // Nothing is drained: the benchmark ends it when nobody calls it any more.
  drainOnSignal('contender', log, () => process.exit(0));
});
