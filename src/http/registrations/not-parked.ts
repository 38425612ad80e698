import type { Registration } from '../../domain/registration.ts';
import { Problem } from '../problems/problem-details.ts';

/** Why a registration cannot be resumed now, and what its caller can do instead.
 * @param wanted what the caller requested: to resume it unchanged, or with other roles */
export function notParked(row: Registration, wanted: 'retry' | 'roles'): Problem {
  return new Problem('not_parked', { registrationId: row.id, detail: detailOf(row, wanted) });
}

function detailOf(
  { id, status, instruction, userId }: Registration,
  wanted: 'retry' | 'roles',
): string {
  switch (status) {
    case 'accepted':
    case 'running':
    case 'roles_pending':
      if (instruction?.kind === 'cancel') {
        return 'The registration is being cancelled. Register the person again when its status is `cancelled`.';
      }
      if (status === 'roles_pending') {
        return 'The registration has just parked. Send the request again.';
      }
      return wanted === 'retry'
        ? 'The registration is still running, so it cannot be retried. Wait until it completes or parks.'
        : 'The registration is still running. Its roles can be replaced only while it is parked. Wait until it completes or parks, or cancel it and register the person with other roles.';
    case 'compensating':
      return 'The registration is being undone. Register the person again when it is closed.';
    case 'cleanup_required':
      return `The registration is being undone and the cleanup keeps failing, so its roles cannot be replaced. Retry the cleanup (\`POST /registrations/${id}/retry\`), then register the person again.`;
    case 'completed':
      return wanted === 'retry'
        ? 'The registration is completed, so it cannot be retried.'
        : `The registration is completed, so its roles are final. Change the roles of the user (\`PUT /users/${userId}/roles\`).`;
    case 'failed':
    case 'cancelled':
      return `The registration is \`${status}\` and was undone. Register the person again.`;
    default:
      return status satisfies never;
  }
}
