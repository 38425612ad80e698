import { readdir, readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export interface SourceFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** A path from the root for files of ours, else as written: `hono/cors`, `node:fs`. */
  readonly target: string;
  /** Nothing of it is there at run time. */
  readonly typesOnly: boolean;
}

export async function readSource(path: string): Promise<SourceFile> {
  return { path, text: await readFile(`${ROOT}${path}`, 'utf8') };
}

/** Every .ts file under the folders. */
export async function sourcesOf(...folders: readonly string[]): Promise<SourceFile[]> {
  const paths: string[] = [];
  for (const folder of folders) {
    const entries = await readdir(`${ROOT}${folder}`, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      paths.push(posix.join(entry.parentPath.slice(ROOT.length), entry.name));
    }
  }
  return await Promise.all(paths.toSorted().map(readSource));
}

// The formatter begins every statement at its line's first column, so no parser is needed.
const FROM = /^(import|export)\s+(type\s+)?([^;'"]*?)\s*\bfrom\s+['"]([^'"]+)['"]/gm;
const BARE = /^import\s+['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"`]([^'"`]+)['"`]/g;

/** What a file imports, or exports from elsewhere. */
export function importsOf({ path, text }: SourceFile): Import[] {
  const resolve = (target: string) =>
    target.startsWith('.') ? posix.join(posix.dirname(path), target) : target;
  const code = withoutComments(text);
  const found = [...code.matchAll(FROM)].map(([, , type, names = '', target = '']) => ({
    target: resolve(target),
    typesOnly: type !== undefined || onlyTypes(names),
  }));
  const others = [...code.matchAll(BARE), ...code.matchAll(DYNAMIC)];
  return [
    ...found,
    ...others.map(([, target = '']) => ({ target: resolve(target), typesOnly: false })),
  ];
}

export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

// `{ type A, type B }`; with verbatimModuleSyntax anything else is there at run time.
function onlyTypes(names: string): boolean {
  const inner = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1];
  const each = inner?.split(',').map((name) => name.trim());
  return each?.every((name) => name === '' || name.startsWith('type ')) ?? false;
}
