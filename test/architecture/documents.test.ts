import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  between,
  environmentTable,
  failureTable,
  README,
  TABLES,
  updated,
  type TableName,
} from '../../dev/readme-tables.ts';
import { FAILURES } from '../../src/domain/failure.ts';
import { readSource, sourcesOf, withoutComments } from './source.ts';

/** Of whoever changes Registrar: what `npm run verify` is made of, and the maker of migrations. */
const NOT_FOR_USERS = ['check', 'db:generate', 'format', 'lint', 'typecheck'];
const MEND = 'run: node run.mjs dev/readme-tables.ts --write';

const readme = await readFile(README, 'utf8');

async function scripts(): Promise<string[]> {
  const { text } = await readSource('package.json');
  return Object.keys((JSON.parse(text) as { scripts: Record<string, string> }).scripts);
}

/** Scripts that a text names: `npm start`, `npm test`, `npm run --silent token`. */
function scriptsNamedIn(text: string): string[] {
  const named = text.matchAll(/\bnpm (?:run (?:--silent )?([a-z][\w:-]*)|(start|test))\b/g);
  return [...new Set([...named].map(([, run, short]) => run ?? short ?? ''))].toSorted();
}

/** Rows of the README's command table: those whose first cell is a command. */
function commandRows(text: string): string {
  const rows = text.split('\n').filter((line) => line.startsWith('| `npm '));
  return rows.map((row) => row.split('|')[1]).join('\n');
}

/** `<id>` and the like in blocks that are to be pasted into a shell. */
function placeholdersIn(text: string): string[] {
  const blocks = text.matchAll(/^```(?:sh|bash)\n([\s\S]*?)^```/gm);
  const pasted = [...blocks].map(([, block = '']) => block).join('\n');
  const inline = [...text.matchAll(/`(?:curl|psql|docker|export) [^`]*`/g)].join('\n');
  return [...`${pasted}\n${inline}`.matchAll(/<[\w-]+>/g)].map(([placeholder]) => placeholder);
}

/** Names of variables that a text of code reads by name. */
function variablesIn(text: string): string[] {
  return [...text.matchAll(/\|\s`([A-Z][A-Z0-9_…]*)`/g)].map(([, name]) => name ?? '');
}

describe('README.md', () => {
  test.each(Object.keys(TABLES) as TableName[])(
    `its table %s is the code's (else ${MEND})`,
    (name) => {
      expect(between(readme, name)).toBe(TABLES[name]);
    },
  );

  test('its command table and the scripts of package.json name the same commands', async () => {
    const forUsers = (await scripts()).filter((name) => !NOT_FOR_USERS.includes(name));
    expect(scriptsNamedIn(commandRows(readme))).toEqual(forUsers.toSorted());
  });

  test('names no command that is not there, anywhere', async () => {
    const known = new Set(await scripts());
    expect(scriptsNamedIn(readme).filter((name) => !known.has(name))).toEqual([]);
  });

  test('no command of a shell block holds a placeholder, which a shell takes for a redirection', async () => {
    const texts = [readme, (await readSource('docs/production.md')).text];
    expect(texts.flatMap(placeholdersIn)).toEqual([]);
    expect(placeholdersIn('```sh\ncurl http://x/<id>/retry\n```\n`GET /x/<id>`')).toEqual(['<id>']);
  });

  test('names no file that is not there', async () => {
    const linked = [...readme.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(
      ([, path]) => path ?? '',
    );
    for (const path of linked) await expect(readSource(path)).resolves.toBeDefined();
    expect(linked.filter((path) => path.startsWith('/'))).toEqual([]);
  });
});

describe('environment', () => {
  test('every variable that the configuration reads is in the table, and the other way round', async () => {
    const documented = variablesIn(TABLES.environment);
    const code = withoutComments((await readSource('src/config.ts')).text);
    const read = [...code.matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)'/g)].map(([, n]) => n ?? '');
    const temporal = documented.filter((name) => name.startsWith('TEMPORAL_'));
    const known = new Set(documented);
    // Temporal's own are read by Temporal's own configuration, whatever it calls them.
    const strange = read.filter((name) => !known.has(name) && !name.startsWith('TEMPORAL_'));
    expect(strange).toEqual([]);
    const seen = new Set([...read, ...temporal, 'REGISTRAR_HOME']);
    expect(documented.filter((name) => !seen.has(name))).toEqual([]);
  });

  test('only mains, configuration and the development stack read the environment', async () => {
    const files = await sourcesOf('src', 'workflows', 'activities', 'worker', 'setup', 'dev');
    const readers = files
      .filter(({ text }) => /\bprocess\.env\b/.test(withoutComments(text)))
      .map(({ path }) => path)
      .filter((path) => !path.startsWith('dev/'));
    const mains =
      /(?:^|\/)main\.ts$|^worker\/(?:sweep-once|compare-pool-once|redeliver|status|verify-audit|verify-replay)\.ts$/;
    expect(readers.filter((path) => !mains.test(path))).toEqual([]);
  });
});

describe('each check can fail', () => {
  test('one row more, one less, one word changed', () => {
    const failures = Object.entries(FAILURES);
    expect(failureTable(failures.slice(1))).not.toBe(TABLES['failure-table']);
    expect(failureTable(failures.toReversed())).not.toBe(TABLES['failure-table']);
    expect(environmentTable([])).not.toBe(TABLES.environment);
    const stale = '<!-- environment:begin -->\nold\n<!-- environment:end -->';
    expect(between(stale, 'environment')).toBe('old\n');
  });

  test('missing or repeated markers are told, not passed over', () => {
    const marked = '<!-- x:begin -->\n<!-- x:end -->';
    expect(between(marked, 'x')).toBe('');
    for (const text of ['', '<!-- x:begin -->\n', '<!-- x:end -->', marked + marked]) {
      expect(() => between(text, 'x')).toThrow('x:begin');
    }
  });

  test('updating is repeatable and touches nothing else', () => {
    const text = Object.keys(TABLES)
      .map(
        (name) =>
          `before ${name} $& $1\n<!-- ${name}:begin -->\nlong ago\n<!-- ${name}:end -->\nafter\n`,
      )
      .join('');
    const once = updated(text);
    expect(updated(once)).toBe(once);
    expect(once).not.toContain('long ago');
    expect(once.match(/^before .* \$& \$1$/gm)).toHaveLength(Object.keys(TABLES).length);
    expect(between(once, 'environment')).toBe(TABLES.environment);
  });

  test('a command of another name', () => {
    expect(scriptsNamedIn('`npm run nothing -- x`, npm start, `npm run --silent token`')).toEqual([
      'nothing',
      'start',
      'token',
    ]);
    expect(scriptsNamedIn(commandRows('| `npm run a`, `npm run b` | not `npm run c` |'))).toEqual([
      'a',
      'b',
    ]);
  });

  test('a cell with a bar stays one cell', () => {
    const rows = failureTable([['internal', { ...FAILURES.internal, operator: 'a | b' }]]).split(
      '\n',
    );
    expect(rows[2]).toContain(String.raw`a \| b`);
  });
});
