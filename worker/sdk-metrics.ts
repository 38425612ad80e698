import { MetricsBuffer, type BufferedMetricUpdate } from '@temporalio/worker';

/** Of durations, in seconds: from a replayed task to a run that was parked for an hour. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600];
/** A registration makes about a hundred updates: room for a second of several hundred of them. */
const BUFFERED = 50_000;
const DRAIN_MS = 500;

type Metric = BufferedMetricUpdate['metric'];
type Labels = BufferedMetricUpdate['attributes'];

interface Series {
  /** Of a counter or gauge its value, of a histogram the sum. */
  value: number;
  /** Of a histogram: observations by bucket, the last is beyond all bounds. */
  readonly buckets: number[];
}

interface Family {
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly series: Map<string, Series>;
}

/**
 * The Temporal SDK's own metrics. Its Prometheus exporter listens on a port of its own, which it
 * cannot choose and tell; its buffer needs none, and is drained here.
 */
export class SdkMetrics {
  readonly buffer = new MetricsBuffer({ maxBufferSize: BUFFERED, useSecondsForDurations: true });
  readonly #families = new Map<string, Family>();
  /** The SDK hands out one object for many updates. */
  readonly #texts = new WeakMap<Labels, string>();

  /** To be called once the runtime has the buffer. Keeps no process alive. */
  drainRegularly(): void {
    setInterval(() => this.#drain(), DRAIN_MS).unref();
  }

  /** Everything so far, in Prometheus's text format. */
  text(): string {
    this.#drain();
    return [...this.#families].map(([name, family]) => familyText(name, family)).join('');
  }

  /** Applies one update; the runtime's come by themselves. */
  take({ metric, value, attributes }: BufferedMetricUpdate): void {
    const family = this.#familyOf(metric);
    let labels = this.#texts.get(attributes);
    if (labels === undefined) {
      labels = labelsText(attributes);
      this.#texts.set(attributes, labels);
    }
    let series = family.series.get(labels);
    if (!series) {
      series = { value: 0, buckets: [] };
      if (family.type === 'histogram') series.buckets.push(0, ...BUCKETS.map(() => 0));
      family.series.set(labels, series);
    }
    series.value = metric.kind === 'gauge' ? value : series.value + value;
    if (family.type !== 'histogram') return;
    const at = BUCKETS.findIndex((bound) => value <= bound);
    const index = at === -1 ? BUCKETS.length : at;
    series.buckets[index] = (series.buckets[index] ?? 0) + 1;
  }

  #drain(): void {
    for (const update of this.buffer.retrieveUpdates()) this.take(update);
  }

  #familyOf(metric: Metric): Family {
    const name = nameOf(metric);
    let family = this.#families.get(name);
    if (!family) {
      const type = metric.kind === 'up-down-counter' ? 'gauge' : metric.kind;
      family = { help: metric.description ?? '', type, series: new Map() };
      this.#families.set(name, family);
    }
    return family;
  }
}

// As the SDK's own exporter names them with its suffixes on.
function nameOf({ name, kind, unit }: Metric): string {
  if (kind === 'counter') return name.endsWith('_total') ? name : `${name}_total`;
  return kind === 'histogram' && unit === 's' ? `${name}_seconds` : name;
}

function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(String(value))}`)
    .toSorted()
    .join(',');
}

function familyText(name: string, { help, type, series }: Family): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  for (const [labels, { value, buckets }] of series) {
    if (type !== 'histogram') {
      lines.push(`${name}{${labels}} ${value}`);
      continue;
    }
    let count = 0;
    for (const [index, observed] of buckets.entries()) {
      count += observed;
      const le = `le="${BUCKETS[index] ?? '+Inf'}"`;
      lines.push(`${name}_bucket{${labels ? `${labels},` : ''}${le}} ${count}`);
    }
    lines.push(`${name}_sum{${labels}} ${value}`, `${name}_count{${labels}} ${count}`);
  }
  return `${lines.join('\n')}\n`;
}
