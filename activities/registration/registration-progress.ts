import { mayHaveProfile, owesProfile } from '../../src/domain/profile.ts';
import { owesPassword, type Registration } from '../../src/domain/registration.ts';
import type { Outstanding } from '../../src/domain/saga.ts';
import type { RetryNumbers, RegistrationProgress } from '../contract.ts';

export function progressOf(
  row: Registration,
  retry: RetryNumbers,
  apiUrl: string | null = null,
): RegistrationProgress {
  return {
    ...outstandingOf(row),
    profileToDelete: mayHaveProfile(row),
    status: row.status,
    roles: row.roles,
    instruction: instructionOf(row),
    failure: row.failure,
    parks: row.resumeAttempts,
    ...(row.status === 'roles_pending' && row.parkedAt && { parkedAt: row.parkedAt.toISOString() }),
    retry,
    ...(apiUrl !== null && { apiUrl }),
  };
}

export function outstandingOf(row: Registration): Outstanding {
  return {
    userCreated: row.createOutcome === 'created',
    passwordToSet: owesPassword(row),
    profileToCreate: owesProfile(row),
    rolesToAssign: row.roles.filter((role) => !row.rolesAssigned.includes(role)),
    rolesToRemove: row.rolesTouched.filter(
      (role) => !row.roles.includes(role) && !row.rolesRemoved.includes(role),
    ),
    rolesToConfirm: owesConfirmation(row),
  };
}

/** Whether roles were replaced since the user's groups were last confirmed. */
export function owesConfirmation({
  rolesReplacedAt,
  rolesConfirmedAt,
}: Pick<Registration, 'rolesReplacedAt' | 'rolesConfirmedAt'>): boolean {
  return rolesReplacedAt !== null && (rolesConfirmedAt ?? new Date(0)) < rolesReplacedAt;
}

function instructionOf({ instruction }: Registration): RegistrationProgress['instruction'] {
  if (!instruction) return 'none';
  if (instruction.kind === 'cancel') return 'cancel';
  return instruction.acknowledgedAt ? 'acknowledged' : 'pending';
}
