import { setTimeout as delay } from 'node:timers/promises';
import { Client, ServiceError } from '@temporalio/client';
import type { Connection } from '@temporalio/client';
import type { Config } from '../../src/config/config.ts';
import { ensureSchedules, missingSchedules } from '../../src/temporal/schedules.ts';
import {
  ensureSearchAttributes,
  missingSearchAttributes,
  SEARCH_ATTRIBUTE_COMMANDS,
} from '../../src/temporal/search-attribute.ts';
import type { Change } from '../../src/cognito/change.ts';

const SERVER_STARTS_MS = 60_000;
const RETRY_MS = 500;

/** The changes that Temporal needs: first the search attributes, then the schedules that use it. */
export async function temporalChanges(connection: Connection, config: Config): Promise<Change[]> {
  const { namespace, taskQueue } = config.temporal;
  const client = new Client({ connection, namespace });
  const settings = { taskQueue, ...config.schedules };
  const changes: Change[] = [];
  const attributes = await missingSearchAttributes(connection, namespace);
  if (attributes.length > 0) {
    const names = `search attribute${attributes.length > 1 ? 's' : ''} ${attributes.join(', ')}`;
    changes.push({
      missing: `Temporal: ${names} (Keyword) in namespace ${namespace}`,
      apply: () => addAttributes(connection, namespace),
    });
  }
  const missing = await patiently(() => missingSchedules(client, settings));
  if (missing.length > 0) {
    changes.push({
      missing: `Temporal: schedules ${missing.join(', ')}`,
      apply: () => patiently(() => ensureSchedules(client, settings)),
    });
  }
  return changes;
}

async function addAttributes(connection: Connection, namespace: string): Promise<void> {
  try {
    await ensureSearchAttributes(connection, namespace);
  } catch {
    const commands = SEARCH_ATTRIBUTE_COMMANDS.map((line) => `  ${line}`).join('\n');
    throw new Error(
      `This Temporal service does not let the API create search attributes. Run one of these commands, then run setup again:\n${commands}`,
    );
  }
}

// A schedule is an internal workflow of the server and may not answer right after a restart. Both
// calls can be repeated.
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + SERVER_STARTS_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ServiceError) || Date.now() > deadline) throw error;
      await delay(RETRY_MS);
    }
  }
}
