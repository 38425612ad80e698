import { describe, expect, test } from 'vitest';
import { sourcesOf, withoutComments, type SourceFile } from './source.ts';

const PRODUCT = ['src', 'workflows', 'activities', 'worker', 'cli', 'dev'];
const FOLDERS = [...PRODUCT, 'test'];
const DRAWERS = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'shared', 'lib']);
const KEBAB = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.ts$/;
const MAX_LINES = 300;

/** Longer than 300 lines, and why. */
const LONG: Readonly<Record<string, string>> = {
  'src/domain/failure.ts': 'one table, and a table is read whole',
  'src/db/schema.ts': 'every table once: what the migration is made from',
  'src/config/config.ts': 'the only place that knows names of variables',
  'src/wiring.ts': 'the composition root: what is connected with what is read in one place',
};

function badNames({ path }: SourceFile): string[] {
  const folders = path.split('/');
  const file = folders.pop() ?? '';
  const words = [...folders, file.replace(/(?:\.test)?\.ts$/, '')];
  const drawer = words.find((word) => DRAWERS.has(word));
  const wrong = [...folders.filter((folder) => !KEBAB.test(`${folder}.ts`)), file].filter(
    (name) => name !== file || !KEBAB.test(file),
  );
  return [
    ...(drawer ? [`${path}: ${drawer} is a drawer`] : []),
    ...wrong.map((n) => `${path}: ${n}`),
  ];
}

/** A file that only hands on what others export. */
function isBarrel(file: SourceFile): boolean {
  const statements = withoutComments(file.text)
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
  const handedOn = statements.filter((s) => /^export\b[\s\S]*\bfrom\s+'/.test(s));
  return statements.length > 0 && handedOn.length === statements.length;
}

function tooLong({ path, text }: SourceFile): string[] {
  const lines = text.split('\n').length - 1;
  return lines > MAX_LINES && !Object.hasOwn(LONG, path) ? [`${path}: ${lines} lines`] : [];
}

describe('files', () => {
  test('file names are in kebab-case and say what the file holds', async () => {
    expect((await sourcesOf(...FOLDERS)).flatMap(badNames)).toEqual([]);
  });

  test('no file only re-exports, except the one that Temporal bundles', async () => {
    const barrels = (await sourcesOf(...FOLDERS)).filter(isBarrel);
    expect(barrels.map(({ path }) => path)).toEqual(['workflows/index.ts']);
  });

  test('no file has `export *`', async () => {
    const all = (await sourcesOf(...FOLDERS)).filter(({ text }) =>
      /^export \* from/m.test(withoutComments(text)),
    );
    expect(all.map(({ path }) => path).filter((path) => !path.startsWith('workflows/'))).toEqual(
      [],
    );
  });

  test('files have 300 lines at most or a stated reason', async () => {
    const files = await sourcesOf(...PRODUCT);
    expect(files.flatMap(tooLong)).toEqual([]);
    const byPath = new Map(files.map((file) => [file.path, file.text]));
    const stale = Object.keys(LONG).filter(
      (path) => (byPath.get(path)?.split('\n').length ?? 0) - 1 <= MAX_LINES,
    );
    expect(stale).toEqual([]);
  });
});

describe('each rule can fail', () => {
  const named = (path: string) => badNames({ path, text: '' });

  test.each([
    'src/utils/x.ts',
    'src/domain/helpers.ts',
    'test/lib/a.test.ts',
    'src/common.ts',
    'test/shared.test.ts',
    'src/domain/progressOf.ts',
    'src/Domain/status.ts',
    'src/domain/run_view.ts',
  ])('%s', (path) => {
    expect(named(path)).toHaveLength(1);
  });

  test('the check accepts good names', () => {
    expect(
      ['src/domain/registration-progress.ts', 'test/unit/run-view.test.ts'].flatMap(named),
    ).toEqual([]);
  });

  test('the check reports a barrel with or without comments, and accepts a file with code of its own', () => {
    const path = 'src/domain/index.ts';
    const barrel = `/** All. */\nexport { a } from './a.ts';\nexport type { B } from './b.ts';\n`;
    expect(isBarrel({ path, text: barrel })).toBe(true);
    expect(isBarrel({ path, text: `export * from './a.ts';` })).toBe(true);
    expect(isBarrel({ path, text: `${barrel}export const c = 1;\n` })).toBe(false);
    expect(isBarrel({ path, text: '' })).toBe(false);
  });

  test('the check reports 301 lines, and an exception covers only its own file', () => {
    const text = 'x\n'.repeat(301);
    expect(tooLong({ path: 'src/domain/new.ts', text })).toHaveLength(1);
    expect(tooLong({ path: 'src/domain/new.ts', text: 'x\n'.repeat(300) })).toEqual([]);
    expect(tooLong({ path: 'src/config/config.ts', text })).toEqual([]);
  });
});
