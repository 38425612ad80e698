import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anyFreePort } from '../../../dev/stack/ports.ts';
import { eventually } from '../../support/eventually.ts';
import { personFields, ProfileService } from '../../support/profile-service.ts';
import { REPOSITORY } from '../../support/program.ts';

let service: ProfileService;
let folder: string;
beforeAll(async () => {
  const text = await readFile(`${REPOSITORY}docs/profile-service.md`, 'utf8');
  const [, code = ''] = /^```js\n(import \{ serve \}[\s\S]*?)^```/m.exec(text) ?? [];
  // Beside the packages, so that it finds them. A new clone has no cache yet.
  const cache = join(REPOSITORY, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, 'twenty-lines-'));
  const entry = join(folder, 'service.mjs');
  await writeFile(entry, code);
  const port = await anyFreePort();
  service = await ProfileService.startScript(entry, port);
  await eventually(async () => (await fetch(service.url).catch(() => undefined)) !== undefined);
});
afterAll(async () => {
  await service.remove();
  await rm(folder, { recursive: true, force: true });
});

test('the service of docs/profile-service.md has at most 25 lines beside its imports', async () => {
  const text = await readFile(join(folder, 'service.mjs'), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('import '));
  expect(lines.length).toBeLessThanOrEqual(25);
});

test('the service of docs/profile-service.md answers every request as Registrar expects', async () => {
  const [first, email, username] = [randomUUID(), randomUUID(), randomUUID()];
  const create = (id: string, more: object) => service.call('PUT', id, personFields(id, more));
  const created = await create(first, { email: 'ada@example.com', username: 'ada' });
  expect(created).toMatchObject({ status: 200, body: { id: expect.any(String) as string } });
  expect(await create(first, { email: 'ada@example.com', username: 'ada' })).toEqual(created);
  const taken = (field: string) => ({ status: 409, body: { field } });
  expect(await create(email, { email: 'ada@example.com' })).toEqual(taken('email'));
  expect(await create(username, { username: 'ada' })).toEqual(taken('username'));
  const forged = { secret: `whsec_${Buffer.alloc(32).toString('base64')}` };
  expect((await service.call('DELETE', first, undefined, forged)).status).toBe(401);
  expect((await service.call('DELETE', first)).status).toBe(204);
  expect((await service.call('DELETE', first)).status).toBe(204);
  expect((await create(first, {})).status).toBe(410);
  expect((await create(email, { email: 'ada@example.com' })).status).toBe(200);
});
