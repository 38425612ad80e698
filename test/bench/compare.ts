import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { type Engine, type EngineName, startEngine } from './engines.ts';
import { countHappyPath, type HappyPath } from './happy-path.ts';
import { type ContenderName, DESCRIPTIONS } from './contenders.ts';
import { type Figures, figuresOf, type Measured, measureRound, type Round } from './measure.ts';
import type { Options } from './options.ts';
import { type RunningApi, setUp, startApi } from './processes.ts';
import type { Site } from './site.ts';

/** What one contender costs on one engine. */
export interface Result extends Figures {
  readonly contender: ContenderName;
  readonly happyPath: HappyPath;
}

export interface Comparison {
  readonly engine: EngineName;
  readonly title: string;
  readonly results: readonly Result[];
}

type Print = (line: string) => void;

/** A contender that answers, and what it was measured with so far. */
export interface Running {
  readonly name: ContenderName;
  readonly api: RunningApi;
  readonly measured: Measured;
  readonly rounds: Round[];
}

/** All contenders side by side on one engine: each round measures one after the other. */
export async function compareOn(
  name: EngineName,
  site: Site,
  { contenders, plan }: Options,
  print: Print,
): Promise<Comparison> {
  const engine = await startEngine(name, join(site.home, name), print);
  const running: Running[] = [];
  try {
    for (const contender of contenders) {
      const id = `${name}-${contender}`;
      const ledgerUrl = await site.makeLedger(id);
      running.push(await startContender(contender, id, engine, site, ledgerUrl));
    }
    for (let round = 1; round <= plan.rounds; round += 1) {
      for (const { name: contender, measured, rounds } of running) {
        rounds.push(await measureRound(measured, plan, round === 1 ? 'first' : 'again'));
        print(
          `round ${round} of ${plan.rounds}, ${lineOf(contender, figuresOf(rounds.slice(-1)))}`,
        );
      }
    }
    const connection = await Connection.connect({ address: engine.address });
    const client = new Client({ connection });
    const results: Result[] = [];
    for (const { name: contender, measured, rounds } of running) {
      const { workflowType } = DESCRIPTIONS[contender];
      const { target, ledgerUrl } = measured;
      const happyPath = await countHappyPath(target, ledgerUrl, client, workflowType !== null);
      results.push({ contender, happyPath, ...figuresOf(rounds) });
    }
    await connection.close();
    return { engine: name, title: engine.title, results };
  } finally {
    for (const { api } of running.toReversed()) await api.stop();
    await engine.stop();
  }
}

/** @param id its task queue and the name of its folder */
export async function startContender(
  name: ContenderName,
  id: string,
  engine: Engine,
  site: Site,
  ledgerUrl: string,
): Promise<Running> {
  const options = {
    home: join(site.home, id),
    entry: DESCRIPTIONS[name].entry,
    databaseUrl: ledgerUrl,
    temporalAddress: engine.address,
    taskQueue: id,
    cognito: site.cognito,
  };
  if (name === 'registrar') await setUp(options);
  const api = await startApi(options);
  return {
    name,
    api,
    rounds: [],
    measured: {
      target: { url: api.url, bearer: site.cognito.bearer },
      processes: { api: api.pid, ledger: site.ledger.pid ?? 0, ...engine.processes },
      ledgerUrl,
      temporalUrl: engine.databaseUrl,
    },
  };
}

function lineOf(contender: ContenderName, { one, many }: Figures): string {
  const { title } = DESCRIPTIONS[contender];
  const times = `p50 ${one.p50.toFixed(1)} ms by one caller`;
  return `${title}: ${times}; ${many.perSecond.toFixed(0)} a second by 32`;
}
