import type { Result } from './compare.ts';
import type { CpuMs } from './measure.ts';
import { sum } from './statistics.ts';

/** One goal of the project, and how far it is. */
export interface Target {
  readonly goal: string;
  readonly is: number;
  readonly met: boolean;
}

export function totalCpuMs(cpuMs: CpuMs): number {
  return sum(Object.values(cpuMs));
}

/** The goals over PostgreSQL. Empty where one of the contenders that they name was not measured. */
export function targetsOf(results: readonly Result[]): Target[] {
  const of = (name: Result['contender']) => results.find(({ contender }) => contender === name);
  const [registrar, saga, empty] = [of('registrar'), of('saga'), of('empty')];
  if (!registrar || !saga || !empty) return [];
  const atMost = (goal: string, is: number, limit: number) => ({
    goal: `${goal} ≤ ${limit}`,
    is,
    met: is <= limit,
  });
  const rate = registrar.many.perSecond / saga.many.perSecond;
  const cpu = totalCpuMs(registrar.cpuMs) / totalCpuMs(saga.cpuMs);
  return [
    atMost("p50 / p50 of the samples' saga", registrar.one.p50 / saga.one.p50, 0.25),
    { goal: "rate at 32 callers / rate of the samples' saga ≥ 3", is: rate, met: rate >= 3 },
    atMost("CPU per registration / CPU of the samples' saga", cpu, 0.36),
    atMost('CPU of API and worker per registration, in ms,', registrar.cpuMs.api, 11),
    atMost('p50 / p50 of the empty workflow', registrar.one.p50 / empty.one.p50, 1.3),
  ];
}
