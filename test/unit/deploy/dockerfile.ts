import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY } from '../../support/program.ts';

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The instructions of each stage, those of the stages it is built on first. */
export async function readStages(
  root = REPOSITORY,
): Promise<ReadonlyMap<string, readonly Instruction[]>> {
  return stagesIn(await readFile(join(root, 'Dockerfile'), 'utf8'));
}

export function stagesIn(text: string): Map<string, Instruction[]> {
  const stages = new Map<string, Instruction[]>();
  let current: Instruction[] = [];
  for (const line of text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')) {
    const [, name, rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (name === undefined) continue;
    if (name === 'FROM') {
      const [, from = '', stage = ''] = /^(\S+) AS (\S+)$/.exec(rest) ?? [];
      current = [...(stages.get(from) ?? [{ name, text: from }])];
      stages.set(stage, current);
    } else current.push({ name, text: rest });
  }
  return stages;
}

/** What a `COPY` takes, from the root of the repository, and where it puts it. */
export function copyOf({ text }: Instruction): { from: string[]; to: string } {
  const words = text.split(/\s+/);
  return { from: words.slice(0, -1), to: words.at(-1) ?? '' };
}
