import { Counter, Histogram, type Registry } from 'prom-client';
import type { Telemetry } from '../domain/telemetry.ts';

/** Calls of the profile service; a call is given up after 4 s. */
const CALL_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4];

export function profileMetrics(registry: Registry): Pick<Telemetry, 'profileCalled'> {
  const registers = [registry];
  const calls = new Counter({
    name: 'registrar_profile_calls_total',
    help: 'Calls to the profile service; over RabbitMQ, requests that were published',
    labelNames: ['operation', 'outcome'],
    registers,
  });
  const durations = new Histogram({
    name: 'registrar_profile_call_duration_seconds',
    help: 'Duration of calls to the profile service with any outcome, in seconds',
    labelNames: ['operation'],
    buckets: CALL_BUCKETS,
    registers,
  });
  return {
    profileCalled({ operation, outcome, seconds }) {
      calls.inc({ operation, outcome });
      durations.observe({ operation }, seconds);
    },
  };
}
