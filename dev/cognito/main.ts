// The sandbox as a process of its own, for a stack of containers. The port is the endpoint's.
import { resolve } from 'node:path';
import {
  DeleteUserPoolCommand,
  DescribeUserPoolClientCommand,
  ResourceNotFoundException,
  UpdateUserPoolCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { z } from 'zod';
import { homeOf } from '../stack/home.ts';
import { anyFreePort } from '../stack/ports.ts';
import { printError, printLine, reasonOf } from '../stack/progress.ts';
import { sandboxClient } from './client.ts';
import { makePool, type MadePool } from './pool.ts';
import { startCognito } from './server.ts';

const Environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  COGNITO_ENDPOINT: z.url(),
  COGNITO_USER_POOL_ID: z.string(),
  COGNITO_CLIENT_ID: z.string(),
  COGNITO_CLIENT_SECRET: z.string().optional(),
});

async function main(): Promise<void> {
  const env = Environment.parse(process.env);
  const endpoint = env.COGNITO_ENDPOINT.replace(/\/+$/, '');
  const port = Number(new URL(endpoint).port || '80');
  const home = resolve(homeOf(process.env));
  const ids = {
    userPoolId: env.COGNITO_USER_POOL_ID,
    clientId: env.COGNITO_CLIENT_ID,
    clientSecret: env.COGNITO_CLIENT_SECRET || null,
  };
  await ensurePool(home, ids);
  const sandbox = await startCognito({ home, port, host: env.HOST, endpoint });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => void sandbox.stop());
  }
  printLine(
    `The Cognito sandbox is running: ${endpoint}, pool ${ids.userPoolId}, client ${ids.clientId}`,
  );
}

/**
 * The pool under these ids, made when missing, and made anew when a start was killed half-way. On a
 * port of its own: whoever finds the sandbox healthy finds the pool in it.
 */
async function ensurePool(home: string, ids: MadePool): Promise<void> {
  const sandbox = await startCognito({ home, port: await anyFreePort() });
  const client = sandboxClient(sandbox.url);
  const pool = { UserPoolId: ids.userPoolId };
  try {
    // The client is what is made last.
    await client.send(new DescribeUserPoolClientCommand({ ...pool, ClientId: ids.clientId }));
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    // Without a word of it the deletion protection is off.
    await client.send(new UpdateUserPoolCommand(pool)).catch(ignoreMissing);
    await client.send(new DeleteUserPoolCommand(pool)).catch(ignoreMissing);
    await makePool(client, 'registrar', { given: ids, lasting: true });
  } finally {
    client.destroy();
    await sandbox.stop();
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof ResourceNotFoundException)) throw error;
}

try {
  await main();
} catch (error) {
  printError(`cognito: ${reasonOf(error)}`);
  process.exit(1);
}
