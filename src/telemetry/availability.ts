/** Tells whether something that this process needs answers: once when it is lost, once when it is back. */
export interface Availability {
  answered(): void;
  /** @param fields why, for the log line */
  failed(fields: object): void;
}

export interface AvailabilityOptions {
  /** The log line when it is lost. */
  readonly lost: string;
  /** The log line when it is back. */
  readonly restored: string;
  /** Failures in a row that count as a loss; one by default. */
  readonly failures?: number;
}

export function createAvailability(
  log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  },
  { lost, restored, failures: tolerated = 1 }: AvailabilityOptions,
): Availability {
  let failures = 0;
  return {
    answered() {
      if (failures >= tolerated) log.info({}, restored);
      failures = 0;
    },
    failed(fields) {
      failures += 1;
      if (failures === tolerated) log.warn(fields, lost);
    },
  };
}
