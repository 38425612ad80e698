import { join } from 'node:path';
import postgres from 'postgres';
import { DescribeUserPoolCommand } from '@aws-sdk/client-cognito-identity-provider';
import { SANDBOX_CREDENTIALS, SANDBOX_REGION, sandboxClient } from '../cognito/client.ts';
import type { Rule } from '../cognito/fault-plan.ts';
import { type MadePool, makePool } from '../cognito/pool.ts';
import { startCognito } from '../cognito/server.ts';
import { z } from 'zod';
import { readJsonIfThere, writeFileSafely } from './files.ts';
import { onFreePort, type PortOf } from './ports.ts';
import { type RunningPart, startPostgres } from './postgres.ts';
import { type Progress, reasonOf } from './progress.ts';
import { startTemporal } from './temporal.ts';
import { damaged } from './state-error.ts';
import { findTemporal, sourcesOf } from './temporal-search.ts';

export interface Part {
  readonly name: 'temporal' | 'postgres' | 'cognito' | 'profile-service';
  readonly kind: 'embedded' | 'yours';
  /** Where it listens, without a password. */
  readonly url: string;
  /** The environment with this part named in it. */
  readonly env: Record<string, string>;
  readonly running?: RunningPart;
}

export interface PartOptions {
  readonly home: string;
  readonly env: Record<string, string>;
  readonly log: Progress;
  readonly ephemeral: boolean;
  readonly portOf: PortOf;
  readonly faults?: readonly Rule[];
}

export async function temporalPart(options: PartOptions): Promise<Part> {
  const { env, home, log, ephemeral, portOf } = options;
  const named = env['TEMPORAL_ADDRESS'] ?? env['TEMPORAL_PROFILE'];
  if (named !== undefined) return { name: 'temporal', kind: 'yours', url: named, env };
  const program = await findTemporal(sourcesOf(env, log), log);
  log(`Temporal: starting ${program}`);
  const { running, uiPort } = await onFreePort(portOf, ['temporal', 7233], async (port) => {
    const ui = ephemeral ? {} : { uiPort: await portOf('temporal-ui', 8233) };
    return { ...ui, running: await startTemporal({ program, home, port, ephemeral, ...ui }) };
  });
  // A profile, a key or a certificate of theirs is for another server.
  const clientConfig = join(home, 'temporal-client.toml');
  await writeFileSafely(clientConfig, '[profile.default]\n');
  const rest = Object.entries(env).filter(([key]) => !/^TEMPORAL_(TLS|API_KEY)/.test(key));
  return {
    name: 'temporal',
    kind: 'embedded',
    url: running.url,
    running,
    env: {
      ...Object.fromEntries(rest),
      TEMPORAL_ADDRESS: running.url,
      TEMPORAL_NAMESPACE: 'default',
      TEMPORAL_CONFIG_FILE: clientConfig,
      ...(uiPort === undefined ? {} : { TEMPORAL_UI_URL: `http://127.0.0.1:${uiPort}` }),
    },
  };
}

export async function postgresPart(options: PartOptions): Promise<Part> {
  const { env, home, log, ephemeral, portOf } = options;
  const named = env['DATABASE_URL'];
  if (named !== undefined) {
    await answers(named);
    return { name: 'postgres', kind: 'yours', url: withoutPassword(named), env };
  }
  log('PostgreSQL: starting');
  const running = await onFreePort(portOf, ['postgres', 54_320], (port) =>
    startPostgres({ home, port, ephemeral }),
  );
  const url = withoutPassword(running.url);
  // A role of theirs is for another server.
  const { DATABASE_MIGRATION_URL: _theirs, ...rest } = env;
  return {
    name: 'postgres',
    kind: 'embedded',
    url,
    running,
    env: { ...rest, DATABASE_URL: running.url },
  };
}

export async function cognitoPart(options: PartOptions): Promise<Part> {
  const { env, home, log, ephemeral, portOf, faults = [] } = options;
  const pool = env['COGNITO_USER_POOL_ID'];
  if (pool !== undefined) {
    const url = env['COGNITO_ENDPOINT'] ?? `${env['AWS_REGION'] ?? '?'}: ${pool}`;
    return { name: 'cognito', kind: 'yours', url, env };
  }
  if (env['COGNITO_ENDPOINT'] !== undefined) {
    throw new Error('COGNITO_ENDPOINT is set and COGNITO_USER_POOL_ID is not: set both or neither');
  }
  log('Cognito sandbox: starting');
  const running = await onFreePort(portOf, ['cognito', 9229], (port) =>
    startCognito({ home, port, rules: faults }),
  );
  try {
    const made = ephemeral ? undefined : await rememberedPool(home, running.url);
    // The SDK takes a profile or a session of theirs before these credentials, and a client of theirs
    // is of another pool.
    const rest = Object.entries(env).filter(([key]) => !/^(AWS_|COGNITO_CLIENT_)/.test(key));
    return {
      name: 'cognito',
      kind: 'embedded',
      url: running.url,
      running,
      env: {
        ...Object.fromEntries(rest),
        AWS_REGION: SANDBOX_REGION,
        AWS_ACCESS_KEY_ID: SANDBOX_CREDENTIALS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: SANDBOX_CREDENTIALS.secretAccessKey,
        COGNITO_ENDPOINT: running.url,
        ...(made === undefined
          ? {}
          : {
              COGNITO_USER_POOL_ID: made.userPoolId,
              COGNITO_CLIENT_ID: made.clientId,
              ...(made.clientSecret === null ? {} : { COGNITO_CLIENT_SECRET: made.clientSecret }),
            }),
      },
    };
  } catch (error) {
    await running.stop();
    throw error;
  }
}

const Made = z.object({
  userPoolId: z.string(),
  clientId: z.string(),
  clientSecret: z.string().nullable().default(null),
});

/** The pool of this home, made at the first start. */
async function rememberedPool(home: string, endpoint: string): Promise<MadePool> {
  const file = join(home, 'cognito', 'pool.json');
  const client = sandboxClient(endpoint);
  try {
    const known: MadePool | undefined = await readJsonIfThere(file, Made);
    if (known !== undefined) {
      const command = new DescribeUserPoolCommand({ UserPoolId: known.userPoolId });
      if (await client.send(command).catch(() => undefined)) return known;
      // Another pool in its place would hide its users, and the ledger would think them ours.
      throw damaged(join(home, 'cognito', 'pools'), `pool ${known.userPoolId} does not exist`);
    }
    const made = await makePool(client, 'registrar', { lasting: true });
    await writeFileSafely(file, JSON.stringify(made));
    return made;
  } finally {
    client.destroy();
  }
}

async function answers(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    await sql`select 1`;
  } catch (error) {
    const message = `PostgreSQL at ${withoutPassword(url)} (DATABASE_URL) does not answer`;
    throw new Error(`${message}: ${reasonOf(error)}`, { cause: error });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function withoutPassword(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return 'an unreadable URL';
  parsed.password = '';
  return parsed.href;
}
