import { DefaultLogger, Runtime } from '@temporalio/worker';
import { SdkMetrics } from './sdk-metrics.ts';

let installed: SdkMetrics | undefined;

/** Temporal's runtime: once in a process, before any worker; without shutdown signals of its own,
 * since the order of the drain is ours. @returns its metrics */
export function installRuntime(log: {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}): SdkMetrics {
  if (installed) return installed;
  installed = new SdkMetrics();
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      const fields = { temporal: String(meta?.['sdkComponent']) };
      if (level === 'ERROR') log.error(fields, message);
      else log.warn(fields, message);
    }),
    telemetryOptions: {
      metrics: { buffer: installed.buffer, attachServiceName: false },
    },
  });
  installed.drainRegularly();
  return installed;
}
