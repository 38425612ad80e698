import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Config } from '../src/config.ts';
import { ensureSchedules, missingSchedules } from '../src/temporal/schedules.ts';
import {
  ensureStatusAttribute,
  hasStatusAttribute,
  STATUS_ATTRIBUTE_COMMANDS,
} from '../src/temporal/search-attribute.ts';
import type { Change } from './change.ts';

/** What Temporal lacks: the search attribute, before anything that uses it, and the schedules. */
export async function temporalChanges(
  connection: NativeConnection,
  config: Config,
): Promise<Change[]> {
  const { namespace, taskQueue } = config.temporal;
  const client = new Client({ connection, namespace });
  const settings = { taskQueue, ...config.schedules };
  const changes: Change[] = [];
  if (!(await hasStatusAttribute(connection, namespace))) {
    changes.push({
      missing: `Temporal: search attribute RegistrationStatus (Keyword) in namespace ${namespace}`,
      apply: () => addAttribute(connection, namespace),
    });
  }
  const missing = await missingSchedules(client, settings);
  if (missing.length > 0) {
    changes.push({
      missing: `Temporal: schedules ${missing.join(', ')}`,
      apply: () => ensureSchedules(client, settings),
    });
  }
  return changes;
}

async function addAttribute(connection: NativeConnection, namespace: string): Promise<void> {
  try {
    await ensureStatusAttribute(connection, namespace);
  } catch {
    const commands = STATUS_ATTRIBUTE_COMMANDS.map((line) => `  ${line}`).join('\n');
    throw new Error(
      `This Temporal service does not let the API create search attributes. Run one of these, then setup again:\n${commands}`,
    );
  }
}
