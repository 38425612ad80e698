import type { FailureCode } from '../../domain/failure.ts';
import { FAILURES } from '../../domain/failure.ts';
import {
  pointerTo,
  Problem,
  type ProblemBody,
  type ProblemExtras,
  type ProblemPlace,
} from './problem-details.ts';
import { EXAMPLE_RECEIPT } from '../registrations/receipt-example.ts';

const REQUEST_ID = '6f0d7b52-91e6-4a8e-9d0f-0d6d6a3f1c55';

/** An invalid place in a body with an e-mail address. */
export const WRONG_EMAIL: ProblemPlace = {
  pointer: '#/email',
  code: 'invalid_email',
  detail: 'Must be a valid e-mail address.',
};

/** An invalid place in the query of a list. */
export const WRONG_LIMIT: ProblemPlace = {
  pointer: '#/query/limit',
  code: 'too_big',
  detail: 'Must be at most 200.',
};

/** A query parameter that the operation does not have. */
export const unknownParameter = (name: string): ProblemPlace => ({
  pointer: pointerTo('query', name),
  code: 'unknown_parameter',
  detail: 'Unknown query parameter.',
});

/** An unknown parameter, for operations without query parameters. */
export const WRONG_PARAMETER = unknownParameter('verbose');

const about = { registrationId: EXAMPLE_RECEIPT.id };
const inRoles = (code: FailureCode, detail: string): ProblemExtras => ({
  errors: [{ pointer: '#/roles/0', code, detail }],
});

/** Additional members of the example, for codes that have them. */
const EXTRAS: Partial<Record<FailureCode, ProblemExtras>> = {
  role_not_grantable: inRoles('role_not_grantable', 'You are not allowed to assign this role.'),
  unknown_role: inRoles('unknown_role', 'The user pool does not have this role.'),
  email_taken: about,
  email_unverified: about,
  username_taken: about,
  not_parked: about,
  already_closed: about,
  invitation_not_due: about,
  identity_provider_refused: about,
  password_rejected: about,
  registration_failed: about,
  registration_rejected: about,
  registration_cancelled: about,
  seal_lost: about,
  user_vanished: about,
  terminated: about,
  manual_cleanup_required: {
    ...about,
    detail: [
      'Manual cleanup required. The registration failed with registration_failed at',
      'assignRole:viewer. Compensation failures: deleteUser failed with identity_provider_unavailable:',
      FAILURES.server_error.publicText,
    ].join(' '),
  },
};

/** @param wrong an invalid place of this operation, for `invalid_request`
 * @param details the texts of this operation, where they are not those of the failure table */
export function exampleOf(
  code: FailureCode,
  wrong: ProblemPlace,
  details: Partial<Record<FailureCode, string>> = {},
): ProblemBody {
  const extras = code === 'invalid_request' ? { errors: [wrong] } : EXTRAS[code];
  const detail = details[code];
  return new Problem(code, detail === undefined ? extras : { detail }).body(REQUEST_ID);
}
