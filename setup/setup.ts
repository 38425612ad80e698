import { cognitoClient } from '../activities/cognito.ts';
import type { Config } from '../src/config.ts';
import { connectTemporal } from '../worker/temporal-connection.ts';
import type { Change } from './change.ts';
import { cognitoChanges } from './cognito-changes.ts';
import { temporalChanges } from './temporal-changes.ts';

export interface SetupOptions {
  /** Writes nothing and says what is missing. */
  readonly check: boolean;
  readonly skipCognito: boolean;
  readonly admin: string | null;
  readonly print: (line: string) => void;
}

/**
 * Idempotent: brings Temporal and the pool to what Registrar needs, and says each change before it
 * makes it.
 * @returns how many changes were missing
 */
export async function runSetup(config: Config, options: SetupOptions): Promise<number> {
  const connection = await connectTemporal(config.temporal);
  const client = cognitoClient(config.cognito);
  try {
    const changes: Change[] = [];
    changes.push(...(await temporalChanges(connection, config)));
    if (!options.skipCognito) {
      changes.push(...(await cognitoChanges(client, { config, ...options })));
    }
    for (const change of changes) {
      options.print(`${options.check ? 'Missing' : 'Making'}: ${change.missing}`);
      if (!options.check) await change.apply();
    }
    return changes.length;
  } finally {
    client.destroy();
    await connection.close();
  }
}
