import type { Telemetry } from '../domain/telemetry.ts';
import { emailHash } from '../secrets/email-hash.ts';

/** As much of pino as it uses. */
interface Log {
  info(fields: object, message: string): void;
}

/** Writes a log line for each change of status, beside its metric. */
export function withStatusLog(telemetry: Telemetry, log: Log): Telemetry {
  return {
    ...telemetry,
    statusChanged(row) {
      telemetry.statusChanged(row);
      const { id: registrationId, status, door, failure } = row;
      const hash = row.email === null ? null : emailHash(row.email);
      const fields = { registrationId, door, code: failure?.code, emailHash: hash };
      log.info(fields, `registration ${status}`);
    },
    changeStatusChanged(change) {
      telemetry.changeStatusChanged(change);
      const { id: changeId, registrationId, kind, status, failure } = change;
      log.info({ registrationId, changeId, kind, code: failure?.code }, `change ${status}`);
    },
  };
}
