import { readFile, writeFile } from 'node:fs/promises';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { FAILURES, type Failure } from '../src/domain/failure.ts';
import { VARIABLES, type Variable } from '../src/environment-table.ts';
import { createMetrics, type DescribedMetric } from '../src/metrics/metrics.ts';

export const README = fileURLToPath(new URL('../README.md', import.meta.url));

/** The tables of the README that the code is the source of, by the name in their markers. */
export const TABLES = {
  'failure-table': failureTable(Object.entries(FAILURES)),
  environment: environmentTable(VARIABLES),
  metrics: metricsTable(described()),
} as const;
export type TableName = keyof typeof TABLES;

export function failureTable(failures: readonly (readonly [string, Failure])[]): string {
  return table(
    ['code', 'cause', 'HTTP', 'kind', 'what the caller reads', 'what an operator does'],
    failures.map(([cause, { code, httpStatus, kind, publicText, operator }]) => [
      `\`${code}\``,
      `\`${cause}\``,
      String(httpStatus),
      kind,
      publicText,
      operator,
    ]),
  );
}

export function environmentTable(variables: readonly Variable[]): string {
  return table(
    ['variable', 'default', 'meaning'],
    variables.map(({ name, value, shown, meaning }) => [
      `\`${name}\``,
      shown === value ? `\`${value}\`` : shown,
      meaning,
    ]),
  );
}

export function metricsTable(metrics: readonly DescribedMetric[]): string {
  return table(
    ['metric', 'type', 'labels', 'meaning'],
    metrics.map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      labels.length === 0 ? '–' : labels.map((label) => `\`${label}\``).join(', '),
      help,
    ]),
  );
}

function described(): DescribedMetric[] {
  const nobody = { up: false, polls: false };
  const sources = { readBacklog: () => Promise.reject(new Error('none')), others: () => '' };
  return createMetrics({ ...sources, temporal: () => nobody }).describe();
}

/** The text between a table's markers, without them. @throws where they are not there exactly once */
export function between(text: string, name: string): string {
  const [before, rest, ...more] = text.split(`<!-- ${name}:begin -->\n`);
  const [inner, after, ...others] = rest?.split(`<!-- ${name}:end -->`) ?? [];
  const once = before !== undefined && inner !== undefined && after !== undefined;
  if (!once || more.length > 0 || others.length > 0) {
    throw new Error(`README.md needs the markers ${name}:begin and ${name}:end once each`);
  }
  return inner;
}

/** The text with each table as the code has it now. */
export function updated(text: string): string {
  return Object.entries(TABLES).reduce((current, [name, fresh]) => {
    const begin = `<!-- ${name}:begin -->\n`;
    return current.replace(`${begin}${between(current, name)}`, () => `${begin}${fresh}`);
  }, text);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |\n`;
  return [head, head.map(() => '---'), ...rows].map(line).join('');
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  if (argv.includes('--write')) {
    await writeFile(README, updated(await readFile(README, 'utf8')));
  } else {
    for (const fresh of Object.values(TABLES)) process.stdout.write(`${fresh}\n`);
  }
}
