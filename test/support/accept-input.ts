import { randomUUID } from 'node:crypto';
import { requestHashOf, type AcceptInput } from '../../src/ledger/registrations/accept.ts';
import { sealed } from './passwords.ts';

/** What a test wants otherwise than usual. */
export type Wanted = Partial<AcceptInput> & { readonly password?: string };

/** An accepted request of somebody with an address of their own. */
export function acceptInput({ password, ...wanted }: Wanted = {}): AcceptInput {
  const id = wanted.id ?? randomUUID();
  const email = wanted.email ?? `${id}@example.com`;
  return {
    id,
    email,
    username: null,
    firstName: null,
    lastName: null,
    attributes: {},
    emailVerified: true,
    invite: password === undefined,
    roles: ['viewer'],
    requestedBy: 'tester',
    door: 'canonical',
    keyScope: 'tester',
    idempotencyKey: null,
    requestHash: requestHashOf({ email }),
    sealedPassword: password === undefined ? null : sealed(password, id),
    ...wanted,
  };
}
