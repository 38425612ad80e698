import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Telemetry } from '../domain/telemetry.ts';
import type { Backlog } from '../domain/backlog.ts';
import { backlogMetrics } from './backlog-metrics.ts';
import { changeMetrics } from './change-metrics.ts';
import { httpMetrics, type ObserveRequest } from './http-metrics.ts';
import { providerMetrics } from './provider-metrics.ts';
import { registrationMetrics } from './registration-metrics.ts';

export interface MetricSources {
  readBacklog(): Promise<Backlog>;
  /** Whether Temporal answers this process, and whether a worker of it polls. */
  temporal(): { readonly up: boolean; readonly polls: boolean };
  /** More lines in Prometheus's format, of names that are not ours. */
  others(): string;
}

/** What one process counts and shows. Whatever is told to it costs microseconds. */
export interface Metrics {
  readonly telemetry: Telemetry;
  readonly observeRequest: ObserveRequest;
  readonly contentType: string;
  /** The answer to a scrape: in bounded time, and never an error. */
  text(): Promise<string>;
  /** Ours by name, for docs/reference/metrics.md. */
  describe(): DescribedMetric[];
}

export interface DescribedMetric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const telemetry = {
    ...registrationMetrics(registry),
    ...changeMetrics(registry),
    ...providerMetrics(registry),
  };
  const observeRequest = httpMetrics(registry);
  const show = processGauges(registry);
  const backlog = backlogMetrics(() => sources.readBacklog());
  const defaults = new Registry();
  collectDefaultMetrics({ register: defaults });

  return {
    telemetry,
    observeRequest,
    contentType: registry.contentType,
    async text() {
      const answers = await backlog.refresh();
      show({ ...sources.temporal(), answers });
      const shown = [registry, ...(answers ? [backlog.registry] : []), defaults];
      const texts = await Promise.all(shown.map((each) => each.metrics()));
      return [...texts, sources.others()].filter((text) => text !== '').join('\n');
    },
    describe: () => [registry, backlog.registry].flatMap(described),
  };
}

function processGauges(registry: Registry) {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const database = gauge(
    'registrar_database_up',
    '1 if PostgreSQL answers, otherwise 0; the gauges that are read from the database are then absent',
  );
  const temporal = gauge(
    'registrar_temporal_up',
    '1 if Temporal answers this process, otherwise 0',
  );
  const worker = gauge(
    'registrar_worker_polling',
    '1 if a worker of this process polls, otherwise 0',
  );
  return (now: { readonly up: boolean; readonly polls: boolean; readonly answers: boolean }) => {
    database.set(now.answers ? 1 : 0);
    temporal.set(now.up ? 1 : 0);
    worker.set(now.polls ? 1 : 0);
  };
}

function described(registry: Registry): DescribedMetric[] {
  return registry.getMetricsAsArray().map((metric) => {
    // prom-client keeps the labels, and leaves them out of its types.
    const { labelNames = [] } = metric as { labelNames?: string[] };
    return { name: metric.name, type: String(metric.type), labels: labelNames, help: metric.help };
  });
}
