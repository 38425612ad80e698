import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../dev/commands.ts';
import {
  between,
  commandTable,
  environmentTable,
  failureTable,
  generatedFiles,
  PAGES,
  updated,
} from '../../../dev/reference.ts';
import { messagesOf } from '../../../dev/messages.ts';
import { FAILURES } from '../../../src/domain/failure.ts';
import { readSource, ROOT, sourcesOf, withoutComments, type SourceFile } from './source.ts';

const REPAIR = 'run: node run.mjs dev/reference.ts --write';
const README_BYTES = 9 * 1024;

/** Every Markdown file of ours. */
async function readDocuments(): Promise<SourceFile[]> {
  const under = async (folder: string, recursive: boolean) =>
    (await readdir(`${ROOT}${folder}`, { recursive })).map((path) => posix.join(folder, path));
  const paths = [
    ...(await under('', false)),
    ...(await under('docs', true)),
    ...(await under('examples', true)),
    ...(await under('.github', true)),
  ];
  return await Promise.all(paths.filter((path) => path.endsWith('.md')).map(readSource));
}
const documents = await readDocuments();

async function scripts(): Promise<string[]> {
  const { text } = await readSource('package.json');
  return Object.keys((JSON.parse(text) as { scripts: Record<string, string> }).scripts);
}

/** Scripts that a text names: `npm start`, `npm test`, `npm run --silent token`. */
function scriptsNamedIn(text: string): string[] {
  const named = text.matchAll(/\bnpm (?:run (?:--silent )?([a-z][\w:-]*)|(start|test))\b/g);
  return [...new Set([...named].map(([, run, short]) => run ?? short ?? ''))].toSorted();
}

/** `<id>` and the like in blocks that are to be pasted into a shell. */
function placeholdersIn(text: string): string[] {
  const blocks = text.matchAll(/^```(?:sh|bash)\n([\s\S]*?)^```/gm);
  const pasted = [...blocks].map(([, block = '']) => block).join('\n');
  const inline = [...text.matchAll(/`(?:curl|psql|docker|export) [^`]*`/g)].join('\n');
  return [...`${pasted}\n${inline}`.matchAll(/<[\w-]+>/g)].map(([placeholder]) => placeholder);
}

const FOLDERS = String.raw`(?:src|workflows|activities|worker|cli|dev|test|docs|deploy|\.ci|\.github)`;
const NAMED_FILE = new RegExp(
  String.raw`(?<![\w./-])${FOLDERS}/[\w./-]+\.(?:ts|json|md|sql|yml|yaml|sh|png)\b`,
  'g',
);
const NAMED_PLACE = new RegExp(`\`(${FOLDERS}/[\\w./-]*)\``, 'g');

/** Files and folders of the repository that a text names, by their path from its root. */
function filesNamedIn(text: string): string[] {
  const prose = text.replaceAll(/\]\([^)]*\)/g, ']');
  return [
    ...[...prose.matchAll(NAMED_FILE)].map(([path]) => path),
    ...[...prose.matchAll(NAMED_PLACE)].map(([, path = '']) => path),
  ];
}

/** As GitHub makes an anchor of a heading. */
function anchorsOf(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
}

/** Relative links that lead nowhere, by file or by heading. */
function brokenLinksOf({ path, text }: SourceFile, all: readonly SourceFile[]): string[] {
  const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links.filter((link) => {
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : posix.join(posix.dirname(path), file);
    if (link.startsWith('/') || target.startsWith('..') || !existsSync(`${ROOT}${target}`)) {
      return true;
    }
    const document = [...all, { path, text }].find((one) => one.path === target);
    return anchor !== undefined && !anchorsOf(document?.text ?? '').includes(anchor);
  });
}

/** Names of variables in the first column of a table. */
function variablesIn(text: string): string[] {
  return [...text.matchAll(/\|\s`([A-Z][A-Z0-9_…]*)`/g)].map(([, name]) => name ?? '');
}

const generated = await generatedFiles();
const ENVIRONMENT = PAGES['docs/reference/configuration.md']?.['environment'] ?? '';

describe('docs/reference', () => {
  const tables = Object.entries(PAGES).flatMap(([page, of]) =>
    Object.entries(of).map(([name, fresh]) => [page, name, fresh] as const),
  );
  test.each(tables)(
    `the table in %s between the markers %s is the one that the code makes (else ${REPAIR})`,
    async (page, name, fresh) => {
      expect(between((await readSource(page)).text, name)).toBe(fresh);
    },
  );

  test.each(Object.entries(generated))(
    `%s is the one that the code makes (else ${REPAIR})`,
    async (path, fresh) => {
      expect((await readSource(path)).text).toBe(fresh);
    },
  );

  test('commands.md and package.json have the same scripts', async () => {
    expect(COMMANDS.map(({ script }) => script).toSorted()).toEqual((await scripts()).toSorted());
  });

  test('the usage of each command names its own script', () => {
    for (const { script, usage } of COMMANDS) expect(scriptsNamedIn(usage)).toEqual([script]);
  });
});

describe('every document', () => {
  test('is found: those of the root, of docs and examples with their folders, and of .github', () => {
    expect(documents.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        'README.md',
        'CONTRIBUTING.md',
        'docs/architecture.md',
        'docs/reference/failures.md',
        'examples/profile-service/README.md',
        '.github/pull_request_template.md',
      ]),
    );
  });

  test.each(documents.map((document) => [document.path, document] as const))(
    '%s names only scripts and files that exist, and its links and commands work',
    async (_path, document) => {
      const known = new Set(await scripts());
      expect(scriptsNamedIn(document.text).filter((name) => !known.has(name))).toEqual([]);
      expect(filesNamedIn(document.text).filter((at) => !existsSync(`${ROOT}${at}`))).toEqual([]);
      expect(brokenLinksOf(document, documents)).toEqual([]);
      expect(placeholdersIn(document.text)).toEqual([]);
    },
  );

  test('README.md has at most 9 KB', async () => {
    expect(Buffer.byteLength((await readSource('README.md')).text)).toBeLessThanOrEqual(
      README_BYTES,
    );
  });
});

describe('CONTRIBUTING.md', () => {
  test('gives a reason for each dependency of package.json, and for no other', async () => {
    const { text } = await readSource('CONTRIBUTING.md');
    const { dependencies, devDependencies } = JSON.parse(
      (await readSource('package.json')).text,
    ) as { dependencies: Record<string, string>; devDependencies: Record<string, string> };
    const [, section = ''] = text.split('\n## Dependencies\n');
    const rows = section.split('\n').filter((line) => /^\| `[^`]+`.* \| .+ \|$/.test(line));
    const named = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    );
    const covers = (name: string, dependency: string) =>
      name.endsWith('/*') ? dependency.startsWith(name.slice(0, -1)) : name === dependency;
    const all = Object.keys({ ...dependencies, ...devDependencies });
    expect(all.filter((one) => !named.some((name) => covers(name, one)))).toEqual([]);
    expect(named.filter((name) => !all.some((one) => covers(name, one)))).toEqual([]);
  });
});

describe('environment', () => {
  test('the table has every variable that the configuration reads, and no other', async () => {
    const documented = variablesIn(ENVIRONMENT);
    const files = ['config.ts', 'profile-settings.ts'];
    const sources = await Promise.all(files.map((file) => readSource(`src/config/${file}`)));
    const code = withoutComments(sources.map(({ text }) => text).join('\n'));
    const read = [...code.matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)'/g)].map(([, n]) => n ?? '');
    const temporal = documented.filter((name) => name.startsWith('TEMPORAL_'));
    const known = new Set(documented);
    // Temporal's own configuration reads the names that begin with TEMPORAL_.
    const strange = read.filter((name) => !known.has(name) && !name.startsWith('TEMPORAL_'));
    expect(strange).toEqual([]);
    const seen = new Set([...read, ...temporal, 'REGISTRAR_HOME']);
    expect(documented.filter((name) => !seen.has(name))).toEqual([]);
  });

  test('only mains, configuration and the development stack read the environment', async () => {
    const files = await sourcesOf('src', 'workflows', 'activities', 'worker', 'cli', 'dev');
    const readers = files
      .filter(({ text }) => /\bprocess\.env\b/.test(withoutComments(text)))
      .map(({ path }) => path)
      .filter((path) => !path.startsWith('dev/'));
    const mains = /^cli\/|^(?:src|worker)\/main\.ts$|^src\/run-main\.ts$/;
    expect(readers.filter((path) => !mains.test(path))).toEqual([]);
  });
});

describe('each check can fail', () => {
  test('a table changes with a row more, a row less or another order', () => {
    const failures = Object.entries(FAILURES);
    const now = failureTable(failures);
    expect(failureTable(failures.slice(1))).not.toBe(now);
    expect(failureTable(failures.toReversed())).not.toBe(now);
    expect(environmentTable([])).not.toBe(ENVIRONMENT);
    expect(commandTable(COMMANDS.slice(1))).not.toBe(commandTable(COMMANDS));
  });

  test('missing or repeated markers are an error', () => {
    const marked = '<!-- x:begin -->\n<!-- x:end -->';
    expect(between(marked, 'x')).toBe('');
    for (const text of ['', '<!-- x:begin -->\n', '<!-- x:end -->', marked + marked]) {
      expect(() => between(text, 'x')).toThrow('x:begin');
    }
  });

  test('an update can be repeated and changes nothing outside the markers', () => {
    const tables = { one: 'new one\n', two: 'new two\n' };
    const text = Object.keys(tables)
      .map(
        (name) =>
          `before ${name} $& $1\n<!-- ${name}:begin -->\nlong ago\n<!-- ${name}:end -->\nafter\n`,
      )
      .join('');
    const once = updated(text, tables);
    expect(updated(once, tables)).toBe(once);
    expect(once).not.toContain('long ago');
    expect(once.match(/^before .* \$& \$1$/gm)).toHaveLength(2);
    expect(between(once, 'two')).toBe('new two\n');
  });

  test('scripts are found in every form in which npm takes them', () => {
    expect(scriptsNamedIn('`npm run nothing -- x`, npm start, `npm run --silent token`')).toEqual([
      'nothing',
      'start',
      'token',
    ]);
  });

  test('files are found in prose, code and shell blocks, and not in links', () => {
    expect(filesNamedIn('see src/gone.ts, `test/gone/` and\nnpm x dev/faults/gone.json')).toEqual([
      'src/gone.ts',
      'dev/faults/gone.json',
      'test/gone/',
    ]);
    expect(
      filesNamedIn('[a](src/gone.ts), https://x/src/gone.ts, `test/deploy/*.test.ts`'),
    ).toEqual([]);
  });

  test('a link breaks by its file, by its heading and by an absolute path', () => {
    const other = { path: 'docs/other.md', text: '# Other\n\n## Users report `no` access!\n' };
    const broken = (text: string) => brokenLinksOf({ path: 'docs/production.md', text }, [other]);
    expect(broken('[a](../package.json) [b](#own)\n## Own\n')).toEqual([]);
    expect(broken('[a](gone.md)')).toEqual(['gone.md']);
    expect(broken('[a](/package.json)')).toEqual(['/package.json']);
    expect(broken('[a](../../elsewhere)')).toEqual(['../../elsewhere']);
    expect(broken('[a](#gone)')).toEqual(['#gone']);
    expect(anchorsOf(other.text)).toEqual(['other', 'users-report-no-access']);
  });

  test('a placeholder in a shell block is found, in prose it is allowed', () => {
    expect(placeholdersIn('```sh\ncurl http://x/<id>/retry\n```\n`GET /x/<id>`')).toEqual(['<id>']);
  });

  test('a message is found as a literal, a template or the argument of a call, and SQL is none', async () => {
    const source = [
      "import { x } from './a b.ts';",
      "type Kind = 'no message';",
      'deps.log.warn({ at: 1 }, "failed");',
      'const text = isLate ? "too late" : `${count} were late`;',
      "db.execute(sql`SELECT ${'in it'} FROM rows`);",
      "const name = 'single';",
    ].join('\n');
    expect(await messagesOf(source)).toEqual(['${…} were late', 'failed', 'in it', 'too late']);
  });

  test('a cell with a bar stays one cell', () => {
    const rows = failureTable([['internal', { ...FAILURES.internal, operator: 'a | b' }]]).split(
      '\n',
    );
    expect(rows[2]).toContain(String.raw`a \| b`);
  });
});
