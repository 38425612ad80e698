import { DefaultLogger, Runtime, type LogEntry } from '@temporalio/worker';
import { registrationIdOf } from '../src/domain/registration.ts';
import { SdkMetrics } from './sdk-metrics.ts';

interface Log {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  isLevelEnabled?(level: string): boolean;
}

let installed: SdkMetrics | undefined;

/** Temporal's runtime: once in a process, before any worker; without shutdown signals of its own,
 * since the order of the drain is ours. @returns its metrics */
export function installRuntime(log: Log): SdkMetrics {
  if (installed) return installed;
  installed = new SdkMetrics();
  const level = log.isLevelEnabled?.('debug') ? 'DEBUG' : 'WARN';
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger(level, (entry) => write(log, entry)),
    telemetryOptions: {
      // Forwarded: the native part would print lines of its own that are no JSON.
      logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
      metrics: { buffer: installed.buffer, attachServiceName: false },
    },
  });
  installed.drainRegularly();
  return installed;
}

function write(log: Log, { level, message, meta }: LogEntry): void {
  const fields = fieldsOf(meta ?? {});
  if (level === 'ERROR') log.error(fields, message);
  else if (level === 'WARN') log.warn(fields, message);
  else log.debug(fields, message);
}

// Chosen one by one: errors carry stacks and causes, and a task token is a secret.
function fieldsOf(meta: Readonly<Record<string, unknown>>): object {
  const { sdkComponent, workflowId, workflowType, activityType, attempt } = meta;
  const id = typeof workflowId === 'string' ? workflowId : undefined;
  const registrationId = id === undefined ? undefined : registrationIdOf(id);
  return {
    temporal: String(sdkComponent),
    ...(registrationId === undefined ? { workflowId: id } : { registrationId }),
    workflowType,
    activityType,
    attempt,
  };
}
