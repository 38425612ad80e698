import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteUserPoolClientCommand,
  DescribeUserPoolClientCommand,
  ListGroupsCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sandboxClient } from '../../../../dev/cognito/client.ts';
import { anyFreePort } from '../../../../dev/stack/ports.ts';
import { createTokenVerifier } from '../../../../src/http/access/tokens.ts';
import { parseConfig } from '../../../../src/config/config.ts';
import { type Program, startEntry } from '../../../support/program.ts';

let home: string;
let port: number;
let env: Record<string, string>;
const programs: Program[] = [];
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'registrar-sandbox-'));
  await chmod(home, 0o755);
  port = await anyFreePort();
  env = {
    REGISTRAR_HOME: home,
    HOST: '0.0.0.0',
    COGNITO_ENDPOINT: `http://localhost:${port}`,
    COGNITO_USER_POOL_ID: 'local_registrar',
    COGNITO_CLIENT_ID: 'registrar',
  };
});
afterAll(async () => {
  for (const program of programs) await program.kill();
  await rm(home, { recursive: true, force: true });
});

async function sandbox(): Promise<Program> {
  const program = startEntry('dev/cognito/main.ts', home, env);
  programs.push(program);
  await program.says(/pool local_registrar, client registrar/);
  return program;
}

async function token(...args: string[]): Promise<string> {
  const program = startEntry('dev/token.ts', home, env, args);
  const [line] = await program.says(/^eyJ\S+$/m);
  expect(await program.exit).toEqual({ code: 0, signal: null });
  return line;
}

async function rolesOf(bearer: string): Promise<readonly string[]> {
  const named = { ...env, AWS_REGION: 'local', DATABASE_URL: 'postgres://localhost/x' };
  const { tokens } = parseConfig({ ...named, TEMPORAL_ADDRESS: 'localhost:7233' });
  return (await createTokenVerifier(tokens)(bearer)).groups;
}

test('a sandbox process has the configured ids and issues tokens that verify, also after a restart', async () => {
  const first = await sandbox();
  expect(await rolesOf(await token())).toEqual(['admin']);
  const before = await token('--role', 'viewer');
  first.signal('SIGTERM');
  expect(await first.exit).toEqual({ code: 0, signal: null });

  const second = await sandbox();
  expect(await rolesOf(before)).toEqual(['viewer']);
  expect(await rolesOf(await token('--role', 'viewer'))).toEqual(['viewer']);
  second.signal('SIGTERM');
  await second.exit;
});

test('a pool without its client, left by a killed start, is made again', async () => {
  const UserPoolId = 'local_registrar';
  const client = sandboxClient(`http://127.0.0.1:${port}`);
  const first = await sandbox();
  await client.send(new DeleteUserPoolClientCommand({ UserPoolId, ClientId: 'registrar' }));
  await first.kill();

  await sandbox();
  const { UserPoolClient } = await client.send(
    new DescribeUserPoolClientCommand({ UserPoolId, ClientId: 'registrar' }),
  );
  expect(UserPoolClient).toMatchObject({ ClientId: 'registrar', ClientName: 'registrar' });
  const { Groups = [] } = await client.send(new ListGroupsCommand({ UserPoolId }));
  expect(Groups).toHaveLength(4);
  client.destroy();
});
