// `npm run rehearse`: docker-compose.yml as processes of this machine. The current commit becomes the
// folder that the Dockerfile makes, and the file's own commands run there, read-only and as another
// user, on the real Temporal server over PostgreSQL. Workers are killed while users register.
import { chmod, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../dev/stack/child.ts';
import { sandboxClient } from '../../dev/cognito/client.ts';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { findOwner } from '../../dev/stack/postgres-place.ts';
import { printError, printLine, reasonOf } from '../../dev/stack/progress.ts';
import { readComposeText, servicesIn } from '../unit/deploy/compose-file.ts';
import { findingsOf, type World } from './findings.ts';
import { Host, type StartOptions } from '../compose/host.ts';
import { assembleImage, cloneInto } from './image.ts';
import { allReceipts, allRegistered, type Api, registerAll, untilClosed } from './load.ts';
import {
  findPrograms,
  healthy,
  startDatabase,
  startSandbox,
  startTemporal,
} from '../compose/parts.ts';
import { allUsers } from './pool-users.ts';
import { summaryOf } from './summary.ts';

const USERS = 500;
const PER_SECOND = 10;
const KILL_EVERY_MS = 10_000;
const CLOSED_MS = 300_000;
/** Of everything but building Temporal's server. */
const LONGEST_MS = 900_000;

/** What undoes the rehearsal, the last first. */
const undo: (() => Promise<unknown>)[] = [];

interface Stage {
  readonly host: Host;
  /** How the processes of the production image start. */
  readonly production: StartOptions;
  readonly sandbox: StartOptions;
  readonly cognito: string;
}

async function prepare(): Promise<Stage> {
  const home = await mkdtemp(join(tmpdir(), 'registrar-rehearsal-'));
  undo.push(() => rm(home, { recursive: true, force: true, maxRetries: 10 }));
  const at = (...names: string[]): string => join(home, ...names);
  // The container's user must be able to enter, and to read the Node that runs this.
  await chmod(home, 0o755);
  for (const folder of ['bin', 'logs', 'parts', 'sandbox', 'tmp']) await mkdir(at(folder));
  await chmod(at('tmp'), 0o1777);
  await copyFile(process.execPath, at('bin', 'node'));
  const clone = at('clone');
  printLine('Cloning the current commit: what is not committed is not rehearsed');
  await cloneInto(clone);
  printLine('Making the image of it');
  const env = await assembleImage('production', clone, at('image'));
  const services = servicesIn(await readComposeText(clone));
  const path = [at('bin'), at('temporal'), process.env['PATH'] ?? ''].join(delimiter);
  const host = new Host({ services, logs: at('logs'), path, clone });

  const version = host.service('temporal').image.split(':')[1] ?? '';
  const programs = await findPrograms(version, at('temporal'), printLine);
  printLine(`Starting PostgreSQL, Temporal ${version} and the sandbox`);
  const database = await startDatabase({
    home: at('parts'),
    host,
    clone,
    services: ['postgres', 'temporal-postgres'],
    ephemeral: true,
  });
  undo.push(() => database.stop());
  undo.push(() => host.stop());
  await startTemporal(host, programs, new URL(database.url).port, clone);
  const cognito = await startSandbox(host, clone, at('sandbox'));
  return {
    host,
    cognito,
    sandbox: { cwd: clone },
    production: {
      cwd: at('image'),
      env: { ...env, TMPDIR: at('tmp') },
      owner: await findOwner(),
    },
  };
}

/** kill -9, one worker after the other in turn, each started again at once, as Docker would. */
async function killInTurn(
  workers: Child[],
  start: (index: number) => Child,
  over: AbortSignal,
): Promise<number> {
  for (let kills = 0; ; kills += 1) {
    await sleep(KILL_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return kills;
    const index = kills % workers.length;
    workers[index]?.kill();
    workers[index] = start(index);
  }
}

async function startApi({ host, production }: Stage): Promise<{ child: Child; url: string }> {
  const PORT = String(await anyFreePort());
  // The port of the file may be taken on this machine.
  const env = { ...production.env, HOST: '127.0.0.1', PORT, METRICS_PORT: '0' };
  const child = host.start('api', { ...production, env });
  const url = `http://127.0.0.1:${PORT}`;
  await healthy(`${url}/health/ready`);
  return { child, url };
}

/** Ends a process as `docker compose stop` does; it has to end by itself within its grace. */
async function drain(child: Child, host: Host): Promise<void> {
  const grace = /^(\d+)s$/.exec(host.service(child.name).stop_grace_period ?? '10s')?.[1];
  if (child.ended()) throw new Error(`${child.name} had ended: ${await host.said(child)}`);
  await child.stop(Number(grace) * 1000);
  const code = await child.exit();
  if (code !== 0) throw new Error(`${child.name} ended with ${code}: ${await host.said(child)}`);
}

async function rehearse(): Promise<void> {
  const stage = await prepare();
  const { host, production, sandbox } = stage;
  for (const name of ['migrate', 'setup']) {
    printLine(`${name}: ${await host.run(name, production)}`);
  }
  const { child, url } = await startApi(stage);
  const replicas = host.service('worker').deploy?.replicas ?? 1;
  const ports = await Promise.all(Array.from({ length: replicas }, () => anyFreePort()));
  const start = (index: number): Child => {
    const env = { ...production.env, HOST: '127.0.0.1', WORKER_PORT: String(ports[index]) };
    return host.start('worker', { ...production, env });
  };
  const workers = ports.map((_, index) => start(index));
  for (const port of ports) await healthy(`http://127.0.0.1:${port}/health/ready`);
  const api: Api = { url, bearer: await host.run('token', sandbox) };

  printLine(`${USERS} registrations at ${PER_SECOND} a second; a worker is killed every 10 s`);
  const over = new AbortController();
  const killing = killInTurn(workers, start, over.signal);
  const from = performance.now();
  const wanted = await registerAll(api, USERS, PER_SECOND).finally(() => over.abort());
  const kills = await killing;
  await untilClosed(api, CLOSED_MS);
  const tookMs = performance.now() - from;
  for (const words of [['verify-replay.ts', '--last', '100'], ['verify-audit.ts']]) {
    const command = ['node', 'run.mjs', ...words.with(0, `cli/${words[0]}`)];
    printLine(await host.run('worker', { ...production, command }));
  }

  const client = sandboxClient(`http://${stage.cognito}`);
  const poolId = host.service('cognito').environment['COGNITO_USER_POOL_ID'] ?? '';
  const world: World = {
    wanted,
    receipts: await allReceipts(api),
    events: await allRegistered(api),
    users: await allUsers(client, poolId),
  };
  client.destroy();
  const findings = findingsOf(world);
  await Promise.all([child, ...workers].map((one) => drain(one, host)));
  printLine(summaryOf(world, { kills, tookMs }));
  if (findings.length > 0) throw new Error(findings.join('\n'));
}

async function stopped(): Promise<never> {
  return await new Promise((_, reject) => {
    const end = (why: string): void => reject(new Error(why));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(signal));
    setTimeout(() => end(`not done after ${LONGEST_MS / 60_000} minutes`), LONGEST_MS).unref();
  });
}

try {
  await Promise.race([rehearse(), stopped()]);
  printLine('Rehearsed.');
} catch (error) {
  printError(`rehearse: ${error instanceof Error ? error.message : reasonOf(error)}`);
  process.exitCode = 1;
} finally {
  for (const step of undo.toReversed()) {
    await step().catch((error: unknown) => printError(`rehearse: ${reasonOf(error)}`));
  }
}
process.exit();
