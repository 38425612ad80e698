import type { ChangeStatus } from './change.ts';
import type { RegistrationStatus } from './status.ts';

/** What waits in the ledger. Only what there is: a status without rows is not in it. */
export interface Backlog {
  readonly open: readonly {
    readonly status: RegistrationStatus;
    /** A parked row's code of FAILURES; null for the others. */
    readonly code: string | null;
    readonly count: number;
    /** Since the oldest of them was parked or, not being parked, accepted. */
    readonly oldestSeconds: number;
  }[];
  readonly changes: readonly {
    readonly status: ChangeStatus;
    /** A parked change's code of FAILURES; null for the others. */
    readonly code: string | null;
    readonly count: number;
    /** Since the oldest of them was parked or, not being parked, accepted. */
    readonly oldestSeconds: number;
  }[];
  readonly outbox: readonly {
    readonly destination: string;
    readonly count: number;
    /** Since the oldest of them happened. */
    readonly oldestSeconds: number;
  }[];
  /** Deliveries that are not tried any more. */
  readonly givenUp: readonly { readonly destination: string; readonly count: number }[];
}
