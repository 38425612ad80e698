import { setTimeout as sleep } from 'node:timers/promises';
import { countWrites, type WriteCounter, writesSince, type Writes } from './database-writes.ts';
import type { Engine } from './engines.ts';
import { load, type Target } from './load.ts';
import type { Plan } from './options.ts';
import { cpuMsOf } from './process-usage.ts';
import { percentile, sum } from './statistics.ts';

export const MANY_CALLERS = 32;
/** Before a process is measured for the first time, and after it has been idle for a while. */
const WARM_UP_MS = { first: 2500, again: 700 };
/** What Temporal and PostgreSQL do after the last answer counts too. PostgreSQL's own statistics are a
 * second late. */
const SETTLE_MS = 1200;

/** The process trees that are measured. */
export type ProcessName = 'api' | 'ledger' | 'temporal' | 'temporalPostgres';
export type CpuMs = Readonly<Record<ProcessName, number>>;

/** Per registration at 32 callers. */
export interface PerRegistration {
  readonly cpuMs: CpuMs;
  readonly ledger: Writes;
  /** Of Temporal's PostgreSQL; null where it has none. */
  readonly temporal: Writes | null;
}

export interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  readonly registrations: number;
}

export interface Figures extends PerRegistration {
  readonly one: Times;
  readonly many: Times;
  /** Not completed within the wait of 30 s, or refused with 503. */
  readonly unfinished: number;
}

/** One round of one contender. */
export interface Round {
  readonly one: { readonly took: readonly number[]; readonly seconds: number };
  readonly many: { readonly took: readonly number[]; readonly seconds: number };
  readonly unfinished: number;
  readonly cpuMs: CpuMs;
  readonly ledger: Writes;
  readonly temporal: Writes | null;
}

export interface Measured {
  readonly target: Target;
  readonly processes: { readonly api: number; readonly ledger: number } & Engine['processes'];
  readonly ledgerUrl: string;
  readonly temporalUrl: string | null;
}

/** Registrations by one caller and then by 32, with the CPU time and the writes of the latter. */
export async function measureRound(
  measured: Measured,
  plan: Plan,
  warmUp: keyof typeof WARM_UP_MS,
): Promise<Round> {
  const { target } = measured;
  const ledger = countWrites(measured.ledgerUrl);
  const temporal = measured.temporalUrl === null ? null : countWrites(measured.temporalUrl);
  try {
    await load(target, { callers: MANY_CALLERS, ms: WARM_UP_MS[warmUp] });
    await sleep(SETTLE_MS);
    const one = await load(target, { callers: 1, ms: plan.oneMs });
    const before = await usageOf(measured, ledger, temporal);
    const many = await load(target, { callers: MANY_CALLERS, ms: plan.manyMs });
    await sleep(SETTLE_MS);
    const after = await usageOf(measured, ledger, temporal);
    return {
      one,
      many,
      unfinished: one.unfinished + many.unfinished,
      cpuMs: mapCpu((name) => after.cpuMs[name] - before.cpuMs[name]),
      ledger: writesSince(before.ledger, after.ledger),
      temporal:
        before.temporal && after.temporal ? writesSince(before.temporal, after.temporal) : null,
    };
  } finally {
    await ledger.close();
    await temporal?.close();
  }
}

async function usageOf(
  { processes }: Measured,
  ledger: WriteCounter,
  temporal: WriteCounter | null,
) {
  const cpuMs = await cpuMsOf({ ...processes });
  return {
    cpuMs: mapCpu((name) => cpuMs[name] ?? 0),
    ledger: await ledger.read(),
    temporal: temporal ? await temporal.read() : null,
  };
}

/** The rounds as one: all times together, and the totals divided by all registrations. */
export function figuresOf(rounds: readonly Round[]): Figures {
  const count = sum(rounds.map(({ many }) => many.took.length));
  const each = (valueOf: (round: Round) => number): number => sum(rounds.map(valueOf)) / count;
  const writes = (of: (round: Round) => Writes): Writes => ({
    commits: each((round) => of(round).commits),
    walRecords: each((round) => of(round).walRecords),
    walBytes: each((round) => of(round).walBytes),
  });
  const none = { commits: 0, walRecords: 0, walBytes: 0 };
  return {
    one: timesOf(rounds.map(({ one }) => one)),
    many: timesOf(rounds.map(({ many }) => many)),
    unfinished: sum(rounds.map(({ unfinished }) => unfinished)),
    cpuMs: mapCpu((name) => each(({ cpuMs }) => cpuMs[name])),
    ledger: writes(({ ledger }) => ledger),
    temporal: rounds.every(({ temporal }) => temporal)
      ? writes(({ temporal }) => temporal ?? none)
      : null,
  };
}

function timesOf(loads: readonly Round['one'][]): Times {
  const took = loads.flatMap((one) => one.took);
  return {
    p50: percentile(took, 0.5),
    p99: percentile(took, 0.99),
    perSecond: took.length / sum(loads.map(({ seconds }) => seconds)),
    registrations: took.length,
  };
}

function mapCpu(valueOf: (name: ProcessName) => number): CpuMs {
  return {
    api: valueOf('api'),
    ledger: valueOf('ledger'),
    temporal: valueOf('temporal'),
    temporalPostgres: valueOf('temporalPostgres'),
  };
}
