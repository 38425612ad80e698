import { cp, mkdir, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runQuietly } from '../../dev/stack/temporal-fetch.ts';
import { copyOf, readStages } from '../unit/deploy/dockerfile.ts';
import { REPOSITORY } from '../support/program.ts';

/** A clone of the current commit; programs of development find their packages here. */
export async function cloneInto(folder: string): Promise<void> {
  await runQuietly('git', ['clone', '--quiet', '--no-hardlinks', REPOSITORY, folder], {});
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
}

/**
 * Makes a folder what the Dockerfile makes of a stage's working folder: its `COPY`s out of the
 * clone, its `RUN`s in order. Nobody may write to it afterwards. Answers the stage's `ENV`.
 */
export async function assembleImage(
  stage: string,
  clone: string,
  folder: string,
): Promise<Record<string, string>> {
  const instructions = (await readStages(clone)).get(stage);
  if (!instructions) throw new Error(`the Dockerfile has no stage ${stage}`);
  const env: Record<string, string> = {};
  await mkdir(folder);
  for (const instruction of instructions) {
    if (instruction.name === 'ENV') {
      const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(instruction.text) ?? [];
      env[name] = value;
    }
    if (instruction.name === 'COPY') {
      const { from, to } = copyOf(instruction);
      for (const path of from) {
        const target = join(folder, to, to.endsWith('/') ? basename(path) : '');
        await cp(join(clone, path), target, { recursive: true });
      }
    }
    if (instruction.name === 'RUN') {
      await runQuietly('sh', ['-c', `cd "$0" && ${instruction.text}`, folder], env);
    }
  }
  await runQuietly('chmod', ['-R', 'a-w,a+rX', folder], {});
  return env;
}
