/** A scrape, read by what Prometheus's text format says. */
export interface Exposition {
  /** Value of a series by its name and labels, in whatever order; undefined when it is not there. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
  /** Names of all samples: of a histogram its `_bucket`, `_sum` and `_count`. */
  readonly names: ReadonlySet<string>;
  /** Labels of all samples of a name. */
  labelsOf(name: string): Record<string, string>[];
}

interface Sample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

/** @throws at a line that is none of the format, and at a series or type that is there twice */
export function parseExposition(text: string): Exposition {
  const samples: Sample[] = [];
  const seen = new Set<string>();
  const types = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const once = line.startsWith('# TYPE ') ? types : seen;
    const key = line.replace(/ \S+$/, '');
    if (once.has(key)) throw new Error(`twice: ${line}`);
    once.add(key);
    if (once === seen) samples.push(parseSample(line));
  }
  const of = (name: string) => samples.filter((sample) => sample.name === name);
  return {
    value: (name, labels = {}) => of(name).find((sample) => same(sample.labels, labels))?.value,
    names: new Set(samples.map(({ name }) => name)),
    labelsOf: (name) => of(name).map(({ labels }) => labels),
  };
}

export async function scrape(url: string): Promise<Exposition> {
  const answer = await fetch(`${url}/metrics`);
  if (answer.status !== 200) throw new Error(`scrape: ${answer.status}`);
  return parseExposition(await answer.text());
}

function parseSample(line: string): Sample {
  const [, name = '', inner = '', value = ''] = LINE.exec(line) ?? [];
  const labels = [...inner.matchAll(LABEL)];
  const read = labels.map(([all]) => all).join('');
  const number = value === '+Inf' ? Infinity : Number(value);
  if (name === '' || read !== inner || Number.isNaN(number)) throw new Error(`no sample: ${line}`);
  return {
    name,
    labels: Object.fromEntries(labels.map(([, key, text]) => [key, text])),
    value: number,
  };
}

function same(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
