import { Counter, Histogram, type Registry } from 'prom-client';
import type { Telemetry } from '../domain/telemetry.ts';

/** Calls of Cognito; a call is given up after 4 s. */
const CALL_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4];

export function providerMetrics(registry: Registry): Pick<Telemetry, 'called'> {
  const registers = [registry];
  const calls = new Counter({
    name: 'registrar_cognito_calls_total',
    help: 'Calls to Cognito',
    labelNames: ['operation', 'outcome'],
    registers,
  });
  const throttles = new Counter({
    name: 'registrar_cognito_throttles_total',
    help: 'Calls to Cognito that were throttled',
    labelNames: ['operation'],
    registers,
  });
  const durations = new Histogram({
    name: 'registrar_cognito_call_duration_seconds',
    help: 'Duration of calls to Cognito with any outcome, in seconds',
    labelNames: ['operation'],
    buckets: CALL_BUCKETS,
    registers,
  });
  return {
    called({ operation, outcome, seconds }) {
      calls.inc({ operation, outcome });
      throttles.inc({ operation }, outcome === 'throttled' ? 1 : 0);
      durations.observe({ operation }, seconds);
    },
  };
}
