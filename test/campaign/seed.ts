import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import type { Stack } from '../../dev/stack/stack.ts';
import { registrations } from '../../src/db/schema.ts';
import { registrationIdOf, workflowIdOf } from '../../src/domain/registration.ts';
import { readRegistration, readTimeline } from '../../src/ledger/registrations/read.ts';
import { readSchedules } from '../../src/temporal/schedules.ts';
import { verifyAuditTrail } from '../../src/ledger/audit/verify-trail.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import { replayLatest } from '../../worker/replay.ts';
import { allUsers } from '../rehearsal/pool-users.ts';
import { addUser, portrait } from '../support/pool-user.ts';
import { Api } from './api.ts';
import type { Finding } from './finding.ts';
import { findingsOf } from './findings.ts';
import { operate } from './operator.ts';
import type { Plan } from './plan.ts';
import { disturb, play, profilesAway } from './play.ts';
import { Happened, type Stage } from './stage.ts';
import { openRuns, settle } from './settle.ts';
import { Site } from './site.ts';
import { signUpSquatters } from './squatters.ts';
import { readWorld, type World } from './world.ts';

/** After the last action is done, some of what it began is still under way. */
const AFTERMATH_MS = 3000;
const MANY_RUNS = 10_000;
/** How the SDK says that a run did not go on as its history has it. */
const NONDETERMINISM = /TMPRL1100|nondeterminism/i;
/** Lines of the log that only a bug writes. */
const BUGS = ['internal error', 'unexpected error in a step', 'unknown provider error'];

export interface SeedReport {
  readonly findings: readonly Finding[];
  /** By registration: what is known of those that a finding is about. */
  readonly details: ReadonlyMap<string, string>;
  readonly world: World;
  readonly happened: ReadonlyMap<string, number>;
  readonly tookMs: number;
}

/** Runs the plan of one seed against a Registrar of its own, and looks what came of it. */
export async function runSeed(stack: Stack, home: string, plan: Plan): Promise<SeedReport> {
  const from = performance.now();
  const site = await Site.open(stack, home, plan.seed, plan.profiles !== null);
  try {
    for (const { email, ...as } of plan.foreign) await addUser(site, email, as);
    const others = await allUsers(site.client, site.userPoolId);
    const portraits = await portraitsOf(site, plan);
    const stage: Stage = {
      site,
      api: new Api(site),
      happened: new Happened(),
      accepted: new Map(),
      signedUp: await signUpSquatters(site, plan),
      proved: new Set(),
      changes: new Map(),
    };
    await carryOut(stage, plan);
    for (const { method } of site.profiles?.requests ?? []) stage.happened.add(`profile ${method}`);
    const world = await readWorld(stage, new Set(others.map(({ sub }) => sub)));
    const findings = [
      ...findingsOf(world),
      ...(await aboutForeignUsers(site, plan, portraits)),
      ...(await aboutSeals(site)),
      ...(await aboutRuns(stage)),
      ...(await aboutLogs(site)),
    ];
    return {
      findings,
      details: await detailsOf(stage, findings),
      world,
      happened: stage.happened.counts,
      tookMs: performance.now() - from,
    };
  } finally {
    await site.close();
  }
}

async function carryOut(stage: Stage, plan: Plan): Promise<void> {
  await stage.site.setFaults(plan.registrations.flatMap(({ faults }) => faults));
  stage.site.profiles?.setFaults(...(plan.profiles?.faults ?? []));
  const over = new AbortController();
  const operating = operate(stage, over.signal);
  // The operator ends last; one that fails must not be an unhandled rejection until then.
  operating.catch(() => undefined);
  try {
    await Promise.all([
      ...plan.registrations.map((planned) => play(stage, planned)),
      disturb(stage, plan.disturbances),
      ...(plan.profiles?.outages ?? []).map((outage) => profilesAway(stage, outage)),
    ]);
    await sleep(AFTERMATH_MS);
    await settle(stage);
  } finally {
    over.abort();
  }
  await operating;
}

async function portraitsOf(site: Site, plan: Plan): Promise<string[]> {
  return await Promise.all(plan.foreign.map(({ email }) => portrait(site, email).catch(String)));
}

async function aboutForeignUsers(
  site: Site,
  plan: Plan,
  before: readonly string[],
): Promise<Finding[]> {
  const after = await portraitsOf(site, plan);
  return plan.foreign.flatMap(({ email }, index) =>
    after[index] === before[index]
      ? []
      : [finding('foreign user changed', `${email}: ${before[index]} became ${after[index]}`)],
  );
}

async function aboutSeals(site: Site): Promise<Finding[]> {
  const findings: Finding[] = [];
  await verifyAuditTrail(site.db, (broken) => {
    findings.push(finding('broken seal', JSON.stringify(broken)));
  });
  return findings;
}

async function aboutRuns(stage: Stage): Promise<Finding[]> {
  const { temporal, taskQueue } = stage.site;
  const findings = (await openRuns(stage)).map((workflowId) =>
    finding('open run', workflowId, registrationIdOf(workflowId)),
  );
  const options = { taskQueue, last: MANY_RUNS, workflowBundle: await workflowBundle() };
  await replayLatest(temporal, options, ({ workflowId, reason }) => {
    findings.push(finding('replay', `${workflowId}: ${reason}`, registrationIdOf(workflowId)));
  });
  for await (const { workflowId, runId } of temporal.workflow.list({
    query: `WorkflowType IN ('registerUser', 'changeUser') AND TaskQueue = '${taskQueue}'`,
  })) {
    const { events } = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    for (const event of events ?? []) {
      const message = event.workflowTaskFailedEventAttributes?.failure?.message ?? '';
      if (!NONDETERMINISM.test(message)) continue;
      findings.push(finding('replay', `${workflowId}: ${message}`, registrationIdOf(workflowId)));
    }
  }
  return findings;
}

async function aboutLogs(site: Site): Promise<Finding[]> {
  const complaints = [...(await site.processes.complaints())];
  return complaints
    .filter(([message]) => BUGS.some((bug) => message.startsWith(bug)))
    .map(([message, count]) => finding('log', `${count} times "${message}"`));
}

function finding(kind: Finding['kind'], text: string, registrationId?: string): Finding {
  return { kind, text, registrationId: registrationId ?? null };
}

/** What the sweep knows of a registration, the latest run, and how the schedules are. */
async function sweepsOf({ db, temporal, taskQueue }: Site, id: string): Promise<object> {
  const [swept] = await db
    .select({
      sweptAt: registrations.sweptAt,
      endedRunId: registrations.endedRunId,
      endedRunSeenAt: registrations.endedRunSeenAt,
    })
    .from(registrations)
    .where(eq(registrations.id, id));
  const run = await temporal.workflow
    .getHandle(workflowIdOf(id))
    .describe()
    .then(({ runId, status, closeTime }) => ({ runId, status: status.name, closeTime }), String);
  return { ...swept, run, schedules: await readSchedules(temporal, taskQueue) };
}

/** The row, its trail, what was planned and what the sweep did, for whoever looks into it. */
async function detailsOf(
  { site, accepted }: Stage,
  findings: readonly Finding[],
): Promise<Map<string, string>> {
  const details = new Map<string, string>();
  for (const { registrationId: id } of findings) {
    if (id === null || details.has(id)) continue;
    const [row, trail] = [await readRegistration(site.db, id), await readTimeline(site.db, id)];
    const timeline = trail.map(({ at, event }) => `${at.toISOString()} ${event}`);
    const sweeps = await sweepsOf(site, id);
    details.set(id, JSON.stringify({ planned: accepted.get(id), row, timeline, sweeps }, null, 1));
  }
  return details;
}
