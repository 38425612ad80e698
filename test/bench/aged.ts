import { join } from 'node:path';
import { Client, Connection, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import postgres from 'postgres';
import { workflowIdOf } from '../../src/domain/registration.ts';
import { type Running, startContender } from './compare.ts';
import { type EngineName, startEngine } from './engines.ts';
import { type Figures, figuresOf, measureRound } from './measure.ts';
import type { Options } from './options.ts';
import { type QueryTimes, timeQueries } from './page-queries.ts';
import { AGED, seedAged } from './seed-aged.ts';
import type { Site } from './site.ts';

/** The same deployment over an empty ledger and over an old one. */
export interface AgedResult {
  readonly title: string;
  readonly empty: Figures;
  readonly aged: Figures;
  /** Over the old ledger, while the sweep starts the lost runs of all parked registrations again. */
  readonly catchingUp: Figures;
  readonly queries: readonly QueryTimes[];
}

type Print = (line: string) => void;

/** Task queue of the deployment over the old ledger. */
const OLD = 'aged';
/** A run needs Temporal's answer twice; more at once only wait for its shards. */
const STARTS_AT_ONCE = 40;

export async function compareAged(
  name: EngineName,
  site: Site,
  { plan }: Options,
  print: Print,
): Promise<AgedResult> {
  print(`Seeding ${AGED.closed} closed and ${AGED.parked} parked registrations`);
  const from = performance.now();
  const agedUrl = await site.makeLedger(OLD);
  await seedAged(agedUrl);
  print(`Seeded in ${((performance.now() - from) / 1000).toFixed(0)} s`);
  const engine = await startEngine(name, join(site.home, name), print);
  const running: Running[] = [];
  try {
    const emptyUrl = await site.makeLedger('empty');
    const old = await startContender('registrar', OLD, engine, site, agedUrl);
    running.push(old);
    print('Measuring while the sweep starts the lost runs of the parked registrations');
    const catchingUp = figuresOf([await measureRound(old.measured, plan, 'first')]);
    print('Starting the rest of the lost runs');
    await startRuns(engine.address, agedUrl);
    const fresh = await startContender('registrar', 'empty', engine, site, emptyUrl);
    running.push(fresh);
    for (let round = 1; round <= plan.rounds; round += 1) {
      for (const { measured, rounds } of [fresh, old]) {
        rounds.push(await measureRound(measured, plan, round === 1 ? 'first' : 'again'));
      }
      print(`round ${round} of ${plan.rounds}`);
    }
    return {
      title: engine.title,
      empty: figuresOf(fresh.rounds),
      aged: figuresOf(old.rounds),
      catchingUp,
      queries: await timeQueries(old.measured.target, agedUrl, {
        address: engine.address,
        taskQueue: OLD,
      }),
    };
  } finally {
    for (const { api } of running.toReversed()) await api.stop();
    await engine.stop();
  }
}

/** Makes Temporal know the runs of all parked registrations, as it does where no history was lost.
 * Nobody polls their task queue: what waits for a person needs no worker. */
async function startRuns(address: string, ledgerUrl: string): Promise<void> {
  const sql = postgres(ledgerUrl, { max: 1 });
  const connection = await Connection.connect({ address });
  try {
    const rows = await sql<{ id: string }[]>`
      SELECT id FROM registrations WHERE status = 'roles_pending'`;
    const client = new Client({ connection });
    const left = rows[Symbol.iterator]();
    const starter = async (): Promise<void> => {
      for (const { id } of left) {
        await client.workflow
          .start('registerUser', {
            workflowId: workflowIdOf(id),
            taskQueue: 'parked',
            args: [{ registrationId: id }],
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
          })
          .catch((error: unknown) => {
            // The sweep was quicker.
            if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
          });
      }
    };
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
  } finally {
    await connection.close();
    await sql.end({ timeout: 1 });
  }
}
