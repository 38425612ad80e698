/** What the row says of a registration. The row decides, not the run's memory. */
export const RegistrationStatus = {
  accepted: 'accepted',
  running: 'running',
  rolesPending: 'roles_pending',
  compensating: 'compensating',
  cleanupRequired: 'cleanup_required',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
} as const;
export type RegistrationStatus = (typeof RegistrationStatus)[keyof typeof RegistrationStatus];

/** Statuses from which the saga still goes forward. */
export const OPEN_FORWARD = ['accepted', 'running', 'roles_pending'] as const;
/** Statuses in which the saga is taking back what it did. */
export const COMPENSATING = ['compensating', 'cleanup_required'] as const;
export const OPEN = [...OPEN_FORWARD, ...COMPENSATING] as const;
export const CLOSED = ['completed', 'failed', 'cancelled'] as const;
export const STATUSES = [...OPEN, ...CLOSED] as const;

export type OpenForwardStatus = (typeof OPEN_FORWARD)[number];
export type ClosedStatus = (typeof CLOSED)[number];

export function isOpenForward(status: RegistrationStatus): status is OpenForwardStatus {
  return (OPEN_FORWARD as readonly string[]).includes(status);
}

export function isCompensating(
  status: RegistrationStatus,
): status is (typeof COMPENSATING)[number] {
  return (COMPENSATING as readonly string[]).includes(status);
}

export function isClosed(status: RegistrationStatus): status is ClosedStatus {
  return (CLOSED as readonly string[]).includes(status);
}
