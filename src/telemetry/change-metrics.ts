import { Counter, Histogram, type Registry } from 'prom-client';
import { CHANGE_KINDS, CLOSED_CHANGE, isOpenChange } from '../domain/change.ts';
import type { Telemetry } from '../domain/telemetry.ts';

/** Up to a day: a parked change waits for people. */
const DURATION_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600, 3600, 21_600, 86_400];

/** What becomes of later changes. A series begins at 0, so that a rate sees its first event. */
export function changeMetrics(registry: Registry): Pick<Telemetry, 'changeStatusChanged'> {
  const registers = [registry];
  const ended = new Counter({
    name: 'registrar_changes_total',
    help: 'Changes of registered users closed by this process',
    labelNames: ['kind', 'ending'],
    registers,
  });
  const duration = new Histogram({
    name: 'registrar_change_duration_seconds',
    help: 'Time from acceptance to completion of a change, in seconds',
    labelNames: ['kind'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  for (const kind of CHANGE_KINDS) {
    for (const ending of CLOSED_CHANGE) ended.inc({ kind, ending }, 0);
    duration.zero({ kind });
  }

  return {
    changeStatusChanged({ kind, status, acceptedAt, finishedAt }) {
      if (isOpenChange(status)) return;
      ended.inc({ kind, ending: status });
      if (status !== 'completed' || !finishedAt) return;
      const ms = finishedAt.getTime() - acceptedAt.getTime();
      duration.observe({ kind }, Math.max(0, ms / 1000));
    },
  };
}
