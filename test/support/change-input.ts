import { randomUUID } from 'node:crypto';
import type { ChangeKind } from '../../src/domain/change.ts';
import type { AcceptChangeInput } from '../../src/ledger/changes/accept.ts';
import { requestHashOf } from '../../src/ledger/registrations/accept.ts';

/** What a test wants otherwise than usual. */
export type WantedChange = Partial<AcceptChangeInput>;

/** A request of an administrator for a change of a person. */
export function changeInput(
  userId: string,
  kind: ChangeKind,
  wanted: WantedChange = {},
): AcceptChangeInput {
  return {
    id: randomUUID(),
    kind,
    userId,
    roles: kind === 'roles' ? ['editor'] : [],
    addsRoles: false,
    personRoles: ['viewer'],
    requestedBy: 'alice',
    keyScope: `alice POST /users/{userId}/${kind}`,
    idempotencyKey: null,
    requestHash: requestHashOf({ userId, kind }),
    reason: null,
    ...wanted,
  };
}
