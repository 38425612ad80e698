import type { Telemetry } from '../domain/telemetry.ts';
import { emailHash } from '../secrets/email-hash.ts';
import { createAvailability } from './availability.ts';

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

/** Calls without a reply in a row, among all that are under way, that count as a loss. */
const LOST_AFTER = 3;

/** Writes a log line when Cognito or the profile service is lost, and one when it is back. */
export function withLossLog(
  telemetry: Telemetry,
  log: Log & Parameters<typeof createAvailability>[0],
): Telemetry {
  const cognito = createAvailability(log, {
    lost: 'Cognito: connection lost',
    restored: 'Cognito: connection restored',
    failures: LOST_AFTER,
  });
  const profiles = createAvailability(log, {
    lost: 'profile service: connection lost',
    restored: 'profile service: connection restored',
    failures: LOST_AFTER,
  });
  return {
    ...telemetry,
    called(call) {
      telemetry.called(call);
      const { operation, outcome } = call;
      const isLost = outcome === 'no_reply' || outcome === 'server_error';
      if (isLost) cognito.failed({ operation, outcome });
      else cognito.answered();
    },
    profileCalled(call) {
      telemetry.profileCalled(call);
      const { operation, outcome } = call;
      const isLost = outcome === 'no_reply' || outcome === 'unavailable';
      if (isLost) profiles.failed({ operation, outcome });
      else profiles.answered();
    },
  };
}
