import { readdir, readFile, writeFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { arrowsOf, cruiseImports, importPicture, PRODUCT_FOLDERS } from './import-picture.ts';
import { messagesPage } from './messages.ts';
import { openApiDocument } from './openapi-document.ts';
import { FAILURES, type Failure } from '../src/domain/failure.ts';
import { VARIABLES, type Variable } from '../src/config/environment-table.ts';
import { createMetrics, type DescribedMetric } from '../src/telemetry/metrics.ts';
import {
  DEVELOPING_COMMANDS,
  LOCAL_COMMANDS,
  OPERATING_COMMANDS,
  type Command,
} from './commands.ts';

/** The tables that are made from the code: by page of docs/reference, then by the name in their markers. */
export const PAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'docs/reference/failures.md': { failures: failureTable(Object.entries(FAILURES)) },
  'docs/reference/configuration.md': { environment: environmentTable(VARIABLES) },
  'docs/reference/commands.md': {
    'local-commands': commandTable(LOCAL_COMMANDS),
    'operating-commands': commandTable(OPERATING_COMMANDS),
    'developing-commands': commandTable(DEVELOPING_COMMANDS),
  },
  'docs/reference/metrics.md': { metrics: metricsTable(described()) },
};

/** The files of docs/reference that are generated as a whole, by path. */
export async function generatedFiles(): Promise<Readonly<Record<string, string>>> {
  return {
    'docs/reference/messages.md': await messagesPage(ROOT, await productFiles()),
    'docs/reference/openapi.json': await openApiDocument(),
  };
}

const ROOT = fileURLToPath(new URL('../', import.meta.url));

async function productFiles(): Promise<string[]> {
  const files = await Promise.all(
    PRODUCT_FOLDERS.map(async (folder) =>
      (await readdir(`${ROOT}${folder}`, { recursive: true })).map((path) =>
        posix.join(folder, path),
      ),
    ),
  );
  return files.flat().filter((path) => path.endsWith('.ts'));
}

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

export function commandTable(commands: readonly Command[]): string {
  return table(
    ['command', 'what it does'],
    commands.map(({ usage, does }) => [`\`${usage}\``, does]),
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
  const down = { up: false, polls: false };
  const sources = { readBacklog: () => Promise.reject(new Error('none')), others: () => '' };
  return createMetrics({ ...sources, temporal: () => down }).describe();
}

/** The text between a table's markers. @throws unless each marker is there exactly once */
export function between(text: string, name: string): string {
  const [before, rest, ...more] = text.split(`<!-- ${name}:begin -->\n`);
  const [inner, after, ...others] = rest?.split(`<!-- ${name}:end -->`) ?? [];
  const once = before !== undefined && inner !== undefined && after !== undefined;
  if (!once || more.length > 0 || others.length > 0) {
    throw new Error(`the page needs the markers ${name}:begin and ${name}:end once each`);
  }
  return inner;
}

/** The text of a page with its tables as the code has them now. */
export function updated(text: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((current, [name, fresh]) => {
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
  const picture = importPicture(arrowsOf(await cruiseImports(process.cwd())));
  const pages = { ...PAGES, 'docs/architecture.md': { imports: picture } };
  const fresh = { ...(await generatedFiles()) };
  for (const [page, tables] of Object.entries(pages)) {
    fresh[page] = updated(await readFile(`${ROOT}${page}`, 'utf8'), tables);
  }
  for (const [path, text] of Object.entries(fresh)) {
    if (argv.includes('--write')) await writeFile(`${ROOT}${path}`, text);
    else process.stdout.write(`${text}\n`);
  }
}
