import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { type RunningPart, startPostgres } from '../../dev/stack/postgres.ts';
import { migrate } from '../../src/db/migrate.ts';
import { type CognitoStub, startCognitoStub } from './processes.ts';

/** What all contenders share: the server of their ledgers, and Cognito. */
export interface Site {
  readonly home: string;
  readonly ledger: RunningPart;
  readonly cognito: CognitoStub;
  /** A new, migrated ledger on the shared server. */
  makeLedger(name: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startSite(home: string): Promise<Site> {
  await mkdir(join(home, 'ledger'));
  const port = await anyFreePort();
  // Not ephemeral: what is measured waits for the disk at each commit, as in production.
  const ledger = await startPostgres({
    home: join(home, 'ledger'),
    port,
    ephemeral: false,
    maxConnections: 200,
  });
  try {
    const cognito = await startCognitoStub(join(home, 'cognito'));
    return {
      home,
      ledger,
      cognito,
      makeLedger: (name) => makeLedger(ledger.url, name),
      async stop() {
        await cognito.stop();
        await ledger.stop();
      },
    };
  } catch (error) {
    await ledger.stop();
    throw error;
  }
}

async function makeLedger(serverUrl: string, name: string): Promise<string> {
  const sql = postgres(serverUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`CREATE DATABASE ${sql(name)}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await migrate(url.href);
  return url.href;
}
