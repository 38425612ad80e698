import type { InferSelectModel } from 'drizzle-orm';
import type { registrations } from '../db/schema.ts';
import type { Registration } from '../domain/registration.ts';

export type RegistrationRow = InferSelectModel<typeof registrations>;

export function toRegistration(row: RegistrationRow): Registration {
  const {
    wish,
    wishActor,
    wishReason,
    wishAt,
    wishTakenAt,
    invitationStatus,
    invitationSentAt,
    invitationExpiresAt,
    invitationFailure,
    keyScope: _keyScope,
    requestHash: _requestHash,
    sweptAt: _sweptAt,
    sealedPassword: _sealedPassword,
    ...same
  } = row;
  return {
    ...same,
    wish:
      wish && wishActor && wishAt
        ? { kind: wish, actor: wishActor, reason: wishReason, at: wishAt, takenAt: wishTakenAt }
        : null,
    invitation: {
      status: invitationStatus,
      sentAt: invitationSentAt,
      expiresAt: invitationExpiresAt,
      failure: invitationFailure,
    },
  };
}
