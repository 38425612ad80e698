import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findTemporal, type Source, sourcesOf } from '../../../../dev/stack/temporal-search.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'temporal-search-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function program(path: string, output: string): Promise<string> {
  const file = join(folder, path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, `#!/bin/sh\necho "${output}"\n`);
  await chmod(file, 0o755);
  return file;
}

const search = (env: Record<string, string>, log: string[] = []) => {
  const all = sourcesOf(
    { PATH: join(folder, 'bin'), REGISTRAR_CACHE: join(folder, 'cache'), ...env },
    (line) => log.push(line),
  );
  // The download would need a network, and the build takes minutes.
  const local = all.filter(({ name }) => name !== 'download');
  return findTemporal(local, (line) => log.push(line));
};

test('TEMPORAL_CLI comes before the PATH, the PATH before the cache', async () => {
  const cache = await program('cache/temporal', 'temporal version 1.5.1');
  expect(await search({})).toBe(cache);
  const onPath = await program('bin/temporal', 'temporal version 1.5.1');
  expect(await search({})).toBe(onPath);
  const named = await program('mine', 'temporal version 1.5.1');
  expect(await search({ TEMPORAL_CLI: named })).toBe(named);
});

test('what does not work is passed over, and an unusable TEMPORAL_CLI is said', async () => {
  const cache = await program('cache/temporal', 'temporal version 1.5.1');
  await program('bin/temporal', 'a time-keeping tool').then((file) =>
    writeFile(file, '#!/bin/sh\nexit 3\n'),
  );
  const log: string[] = [];
  expect(await search({ TEMPORAL_CLI: join(folder, 'nowhere') }, log)).toBe(cache);
  expect(log.join('\n')).toContain('TEMPORAL_CLI cannot be used');
});

test('go install builds aside and moves into the cache', async () => {
  await program('bin/go', 'go version go1.25');
  await writeFile(
    join(folder, 'bin/go'),
    `#!/bin/sh
[ "$1" = version ] && { echo "go version go1.25"; exit 0; }
printf '#!/bin/sh\\necho temporal version 1.5.1 %s\\n' "$2" > "$GOBIN/temporal"
`,
  );
  const found = await search({ PATH: `${join(folder, 'bin')}:/usr/bin:/bin` });
  expect(found).toBe(join(folder, 'cache/temporal'));
  expect(await readdir(join(folder, 'cache'))).toEqual(['temporal']);
});

test('when nothing works one error says what each needs', async () => {
  const failing: Source = {
    name: 'download',
    needs: 'access to https://temporal.download',
    find: () => Promise.reject(new Error('cannot reach temporal.download')),
  };
  const sources = sourcesOf({ PATH: folder, REGISTRAR_CACHE: folder }, () => {}).map((source) =>
    source.name === 'download' ? failing : source,
  );
  const error = await findTemporal(sources, () => {}).catch((reason: unknown) => String(reason));
  for (const way of [
    'TEMPORAL_ADDRESS',
    'TEMPORAL_CLI',
    'PATH',
    'REGISTRAR_CACHE',
    'download',
    'Go on',
  ]) {
    expect(error).toContain(way);
  }
  expect(error).not.toContain('\n');
});
