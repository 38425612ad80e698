import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, expect } from 'vitest';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { test } from '../support/deployment-test.ts';

/** Where nobody listens. */
let nobody: string;
/** Accepts connections and never answers, as a server behind a dead network does. */
let silent: Server;
beforeAll(async () => {
  nobody = `127.0.0.1:${await anyFreePort()}`;
  silent = createServer().listen(0, '127.0.0.1');
});
afterAll(async () => {
  silent.close();
});

const WITH_TEMPORAL = ['cli/sweep.ts', 'cli/verify-replay.ts', 'cli/setup/main.ts'] as const;

test.for(WITH_TEMPORAL)(
  '%s names an unreachable Temporal and its address in one line',
  async (entry, { deployment }) => {
    const refused = await deployment.command(entry, { TEMPORAL_ADDRESS: nobody });
    expect(refused).toEqual({
      code: 1,
      output: `Temporal at ${nobody} does not answer: connect ECONNREFUSED ${nobody}\n`,
    });
  },
);

test('a command gives up a Temporal that accepts connections but never answers after five seconds', async ({
  deployment,
}) => {
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  expect(await deployment.command('cli/sweep.ts', { TEMPORAL_ADDRESS: address })).toEqual({
    code: 1,
    output: `Temporal at ${address} does not answer: no reply within 5 s\n`,
  });
});

test('a command reports a missing Temporal namespace in one line', async ({ deployment }) => {
  const env = { TEMPORAL_NAMESPACE: 'nowhere' };
  const { code, output } = await deployment.command('cli/verify-replay.ts', env);
  expect({ code, output }).toEqual({ code: 1, output: "Namespace not found: 'nowhere'\n" });
});

test('compare-pool names the unreachable Cognito', async ({ deployment }) => {
  const env = { COGNITO_ENDPOINT: `http://${nobody}` };
  expect(await deployment.command('cli/compare-pool.ts', env)).toEqual({
    code: 1,
    output: `Cognito at http://${nobody} does not answer: ECONNREFUSED\n`,
  });
});

test.for([
  ['cli/sweep.ts', []],
  ['cli/compare-pool.ts', []],
  ['cli/redeliver.ts', ['--now']],
  ['cli/erase.ts', ['--email', 'ada@example.com']],
] as const)(
  '%s names the unreachable PostgreSQL without its password',
  async ([entry, args], { deployment }) => {
    const env = { DATABASE_URL: `postgres://somebody:secret@${nobody}/registrar` };
    expect(await deployment.command(entry, env, args)).toEqual({
      code: 1,
      output: `PostgreSQL at ${nobody}/registrar does not answer: ECONNREFUSED\n`,
    });
  },
);
