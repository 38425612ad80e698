import { Counter, Histogram, type Registry } from 'prom-client';
import { PROFILE_REPLY_OUTCOMES, type Telemetry } from '../domain/telemetry.ts';

/** Calls of the profile service; a call is given up after 4 s. */
const CALL_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4];

export function profileMetrics(
  registry: Registry,
): Pick<Telemetry, 'profileCalled' | 'profileReplied'> {
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
  const replies = new Counter({
    name: 'registrar_profile_replies_total',
    help: 'Replies of the profile service over RabbitMQ that this process handled; `dead` went to the dead queue',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of PROFILE_REPLY_OUTCOMES) replies.inc({ outcome }, 0);
  return {
    profileReplied: (outcome) => replies.inc({ outcome }),
    profileCalled({ operation, outcome, seconds }) {
      calls.inc({ operation, outcome });
      durations.observe({ operation }, seconds);
    },
  };
}
