import { Counter, Histogram, type Registry } from 'prom-client';
import { FAILURES, type FailureKind } from '../domain/failure.ts';
import { DOORS } from '../domain/registration.ts';
import { CLOSED, isClosed } from '../domain/status.ts';
import type { Telemetry } from '../domain/telemetry.ts';

/** Up to a day: a parked registration waits for people. */
const USABLE_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600, 3600, 21_600, 86_400];

/** What becomes of registrations. A series begins at 0, so that a rate sees its first event. */
export function registrationMetrics(
  registry: Registry,
): Pick<Telemetry, 'statusChanged' | 'compensationFailed'> {
  const registers = [registry];
  const ended = new Counter({
    name: 'registrar_registrations_total',
    help: 'Registrations closed by this process',
    labelNames: ['ending', 'door'],
    registers,
  });
  const usable = new Histogram({
    name: 'registrar_time_to_usable_seconds',
    help: 'Time from acceptance to completion of a registration, in seconds',
    labelNames: ['door'],
    buckets: USABLE_BUCKETS,
    registers,
  });
  const begun = new Counter({
    name: 'registrar_compensations_total',
    help: 'Compensations started by this process, by failure code',
    labelNames: ['code'],
    registers,
  });
  const failed = new Counter({
    name: 'registrar_compensation_failures_total',
    help: 'Compensation attempts that failed and are retried',
    labelNames: ['code'],
    registers,
  });
  for (const door of DOORS) for (const ending of CLOSED) ended.inc({ ending, door }, 0);
  for (const door of DOORS) usable.zero({ door });
  for (const code of codesOf('definitive')) begun.inc({ code }, 0);
  for (const code of codesOf('transient')) failed.inc({ code }, 0);

  return {
    statusChanged(row) {
      const { status, door } = row;
      if (status === 'compensating') begun.inc({ code: row.failure?.code ?? 'internal' });
      if (isClosed(status)) ended.inc({ ending: status, door });
      if (status !== 'completed' || !row.finishedAt) return;
      const ms = row.finishedAt.getTime() - row.acceptedAt.getTime();
      usable.observe({ door }, Math.max(0, ms / 1000));
    },
    compensationFailed: (code) => failed.inc({ code }),
  };
}

export function codesOf(kind: FailureKind): Set<string> {
  const rows = Object.values(FAILURES).filter((failure) => failure.kind === kind);
  return new Set(rows.map(({ code }) => code));
}
