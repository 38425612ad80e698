import { cognitoClient } from '../../src/cognito/adapter.ts';
import type { Config } from '../../src/config/config.ts';
import { connectTemporal } from '../../src/temporal/connection.ts';
import type { Change } from '../../src/cognito/change.ts';
import { cognitoChanges } from './cognito-changes.ts';
import { temporalChanges } from './temporal-changes.ts';

export interface SetupOptions {
  /** Changes nothing and prints what is missing. */
  readonly check: boolean;
  readonly skipCognito: boolean;
  readonly admin: string | null;
  readonly print: (line: string) => void;
}

/**
 * Sets up Temporal and the pool for Registrar. Idempotent; prints each change before it makes it.
 * @returns the number of missing changes, and the number of unsafe settings
 */
export async function runSetup(
  config: Config,
  options: SetupOptions,
): Promise<{ missing: number; unsafe: number }> {
  const connection = await connectTemporal(config.temporal);
  const client = cognitoClient(config.cognito);
  try {
    const changes: Change[] = [];
    changes.push(...(await temporalChanges(connection, config)));
    let unsafe: readonly string[] = [];
    if (!options.skipCognito) {
      const cognito = await cognitoChanges(client, { config, ...options });
      changes.push(...cognito.changes);
      ({ unsafe } = cognito.findings);
      for (const text of unsafe) options.print(`Unsafe: ${text}`);
      for (const text of cognito.findings.advice) options.print(`Advice: ${text}`);
    }
    for (const change of changes) {
      const word = change.edits ? 'Changing' : 'Creating';
      options.print(`${options.check ? 'Missing' : word}: ${change.missing}`);
      if (!options.check) await change.apply();
    }
    return { missing: changes.length, unsafe: unsafe.length };
  } finally {
    client.destroy();
    await connection.close();
  }
}
