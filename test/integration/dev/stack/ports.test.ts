import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { startCognito } from '../../../../dev/cognito/server.ts';
import { anyFreePort, onFreePort } from '../../../../dev/stack/ports.ts';
import { startPostgres } from '../../../../dev/stack/postgres.ts';
import { startTemporal } from '../../../../dev/stack/temporal.ts';
import { findTemporal, sourcesOf } from '../../../../dev/stack/temporal-search.ts';
import { PortTaken } from '../../../../src/config/port-taken.ts';

const quiet = () => undefined;
const program = await findTemporal(
  sourcesOf(process.env, quiet).filter(({ name }) => !/download|go/.test(name)),
  quiet,
).catch(() => undefined);

let home: string;
const other = createServer();
let taken: number;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'registrar-ports-'));
  await chmod(home, 0o755);
  taken = await anyFreePort();
  await once(other.listen(taken, '127.0.0.1'), 'listening');
});
afterAll(async () => {
  other.close();
  await rm(home, { recursive: true, force: true });
});

const postgresOn = (port: number) => startPostgres({ home, port, ephemeral: true });
const cognitoOn = (port: number) => startCognito({ home, port });
const temporalOn = (port: number, uiPort?: number) =>
  startTemporal({
    program: program ?? '',
    home,
    port,
    ephemeral: true,
    ...(uiPort === undefined ? {} : { uiPort }),
  });

const refusal = async (starting: Promise<unknown>): Promise<unknown> =>
  await starting.catch((error: unknown) => error);
const namesIt = (port: number) => new RegExp(`${port}.* is taken by another process$`);

test('PostgreSQL and Cognito report a port that another process took meanwhile', async () => {
  for (const on of [postgresOn, cognitoOn]) {
    const error = await refusal(on(taken));
    expect(error).toBeInstanceOf(PortTaken);
    expect(error).toHaveProperty('message', expect.stringMatching(namesIt(taken)));
  }
});

test.skipIf(program === undefined)(
  'Temporal reports a taken gRPC port and a taken UI port',
  async () => {
    const free = await anyFreePort();
    for (const start of [() => temporalOn(taken), () => temporalOn(free, taken)]) {
      const error = await refusal(start());
      expect(error).toBeInstanceOf(PortTaken);
      expect(error).toHaveProperty('message', expect.stringMatching(namesIt(taken)));
    }
  },
);

// What listens there may be of the same kind, and answer.
test('the stack does not mistake another PostgreSQL on its port for its own', async () => {
  const port = Number(new URL(inject('adminDatabaseUrl')).port);
  expect(await refusal(postgresOn(port))).toBeInstanceOf(PortTaken);
});

test.skipIf(program === undefined)(
  'the stack does not mistake another Temporal on its port for its own',
  async () => {
    const port = Number(inject('temporalAddress').split(':')[1]);
    expect(await refusal(temporalOn(port))).toBeInstanceOf(PortTaken);
  },
);

test('the stack tries the next port a limited number of times', async () => {
  const free = await anyFreePort();
  const looked = [taken, free];
  const running = await onFreePort(
    async () => looked.shift() ?? 0,
    ['cognito', taken],
    async (port) => await cognitoOn(port),
  );
  expect(running.url).toBe(`http://127.0.0.1:${free}`);
  await running.stop();
  await expect(onFreePort(async () => taken, ['cognito', taken], cognitoOn)).rejects.toThrow(
    namesIt(taken),
  );
});
