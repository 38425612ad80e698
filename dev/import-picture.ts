import { cruise, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser';
import config, { LAYERS } from '../import-rules.config.ts';

/** The folders whose imports the rule is about. */
export const PRODUCT_FOLDERS = ['src', 'workflows', 'activities', 'worker', 'cli', 'dev'] as const;

/** One folder of a layer: its name in the picture, and the paths it covers. */
interface Unit {
  readonly name: string;
  readonly pattern: RegExp;
}

/** Runs dependency-cruiser on the repository under `baseDir`.
 * @returns its result: modules with their dependencies, and the rules that are broken */
export async function cruiseImports(baseDir: string): Promise<ICruiseResult> {
  const { forbidden, options } = config;
  const settings = { ...options, baseDir, validate: true, ruleSet: { forbidden } };
  const { output } = await cruise([...PRODUCT_FOLDERS], settings as ICruiseOptions);
  if (typeof output === 'string') throw new Error('dependency-cruiser gave text, not a result');
  return output;
}

/** Imports between folders, as `[importer, imported]`, without those inside one folder. */
export function arrowsOf({ modules }: ICruiseResult): [string, string][] {
  const units = unitsOf();
  const nameOf = (path: string) => units.find(({ pattern }) => pattern.test(path))?.name;
  const arrows = new Map<string, [string, string]>();
  for (const { source, dependencies } of modules) {
    const from = nameOf(source);
    for (const { resolved } of dependencies) {
      const to = nameOf(resolved);
      if (from && to && from !== to) arrows.set(`${from} ${to}`, [from, to]);
    }
  }
  return [...arrows.values()];
}

/** A Mermaid diagram of the layers, with the arrows that no chain of other arrows implies. */
export function importPicture(arrows: readonly (readonly [string, string])[]): string {
  const id = (name: string) => name.replaceAll(/\W+/g, '_');
  const layers = LAYERS.flatMap(({ name, folders }, index) => [
    `  subgraph layer${index + 1}["${index + 1}. ${name}"]`,
    ...Object.keys(folders).map((folder) => `    ${id(folder)}["${folder}"]`),
    '  end',
  ]);
  const reaches = (from: string, to: string): boolean =>
    arrows.some(([a, b]) => a === from && (b === to || reaches(b, to)));
  const direct = arrows.filter(
    ([from, to]) => !arrows.some(([a, b]) => a === from && b !== to && reaches(b, to)),
  );
  const lines = direct.map(([from, to]) => `  ${id(from)} --> ${id(to)}`).toSorted();
  return ['```mermaid', 'flowchart TD', ...layers, ...lines, '```', ''].join('\n');
}

function unitsOf(): Unit[] {
  return LAYERS.flatMap(({ folders }) =>
    Object.entries(folders).map(([name, pattern]) => ({ name, pattern: new RegExp(pattern) })),
  );
}
