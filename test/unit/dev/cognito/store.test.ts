import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createStores } from '../../../../dev/cognito/store.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registrar-store-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test('a write that is under way does not bring a deleted file back', async () => {
  const stores = createStores(directory);
  const store = await stores.create('gone', { Users: {} });
  store.set(['Users', 'ada'], { Username: 'ada' });
  const writing = stores.flushed();
  store.set(['Users', 'bob'], { Username: 'bob' });
  const later = stores.flushed();
  await stores.delete('gone');
  await Promise.all([writing, later, stores.flushed()]);
  expect(await readdir(directory)).toEqual([]);
});

test('what was set and deleted is in the file, and is read with its dates', async () => {
  const stores = createStores(directory);
  const store = await stores.create('kept', { Users: {} });
  const UserCreateDate = new Date(0);
  store.set(['Users', 'constructor'], { UserCreateDate });
  store.set(['Users', 'bob'], {});
  store.delete(['Users', 'bob']);
  await stores.flushed();
  expect(JSON.parse(await readFile(join(directory, 'kept.json'), 'utf8'))).toEqual({
    Users: { constructor: { UserCreateDate: UserCreateDate.toISOString() } },
  });
  const again = await createStores(directory).create('kept', { Users: {} });
  expect(again.get(['Users', 'constructor'])).toEqual({ UserCreateDate });
  expect(again.get(['Users', 'toString'])).toBeUndefined();
});
