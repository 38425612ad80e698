import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { normaliseEmail } from '../../domain/email.ts';
import type { Person } from '../../domain/session.ts';
import { findByUserId } from '../../ledger/registrations/account-events.ts';
import type { Secret } from '../../secrets/secret.ts';
import { TokenRejected } from '../access/tokens.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { BEARER, mountPlain, type Api } from '../openapi/mount.ts';
import { json } from '../problems/answers.ts';
import { Problem } from '../problems/problem-details.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { password } from '../public-form/fields.ts';
import {
  acceptForUser,
  changeKeyOf,
  rolesWithinGrants,
  type AcceptedChange,
} from '../users/accept-change.ts';
import { readVisible } from '../users/user-queries.ts';
import { discard } from './admission.ts';
import { WRONG_PASSWORD } from './change-password.ts';
import { bodyOf, PUBLIC, TAGS } from './session-operations.ts';

const OPERATION = 'DELETE /profile';
/** Everybody has one deletion at most: a repeated request is the same one. */
const ONLY_ONE = 'deletion';
const MESSAGE = 'The account is being deleted.';
const UNFINISHED = 'The registration of this account is not complete yet. Please try again later.';

const credentialOf = ({ secret }: Pick<AppDeps, 'secret'>) =>
  z
    .object({ password: password(secret) })
    .openapi('ProfileDeletion', { example: { password: 'Analytical1' } });
const Accepted = z
  .object({
    message: z.string().openapi({ example: MESSAGE }),
    change_id: z.string().openapi({ format: 'uuid' }),
  })
  .openapi('ProfileDeletionAccepted');

/** Deleting one's own account, by the same change as `DELETE /users/{userId}`. */
export function mountDeleteProfile(api: Api, deps: AppDeps): void {
  const schema = credentialOf(deps);
  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'delete',
      path: '/profile',
      operationId: 'doorDeleteProfile',
      summary: 'Delete the account of the signed-in user',
      description:
        'Disables the account, ends every session, deletes the account and erases personal data. Only for accounts that Registrar registered. A repeated request is the same deletion.',
      security: BEARER,
      request: bodyOf(schema),
      responses: {
        202: json(Accepted, 'Accepted; the account is being deleted.', {
          Location: 'URL of the change.',
        }),
        ...doorErrors({ 400: [WRONG_PASSWORD] }, [
          'unauthenticated',
          'not_ours',
          'user_not_found',
          'last_administrator',
          ...PUBLIC,
        ]),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, schema);
      const address = deps.clientAddress(c);
      await deps.limits.sessionCall(address);
      const person = await deps.sessions.personOf(c.var.accessToken);
      if (!person) throw new TokenRejected('signed out');
      await checkPassword(deps, address, person, body.password);
      const { change } = await accept(deps, c, person.userId);
      c.header('Location', `/changes/${change.id}`);
      return c.json({ message: MESSAGE, change_id: change.id }, 202);
    },
  );
}

/** Counts as a change of the password does, so that a stolen token gets no further guesses.
 * @throws DoorError, RateLimited, ProviderUnavailable */
async function checkPassword(
  deps: AppDeps,
  address: string,
  { userId, email }: Person,
  sent: Secret,
): Promise<void> {
  await deps.limits.accountCall('password_change', address, userId);
  const giveBack = await deps.limits.passwordCheck(address, normaliseEmail(email) ?? userId);
  // A challenge means that the password is right.
  const signIn = await deps.sessions.signIn(userId, sent);
  if (signIn.kind === 'refused') throw new DoorError(400, WRONG_PASSWORD);
  if (signIn.kind === 'signed_in') deps.afterwards(() => discard(deps, signIn.tokens));
  await giveBack();
}

/** @throws Problem, ProviderUnavailable, DatabaseError */
async function accept(deps: AppDeps, c: Context<AppEnv>, userId: string): Promise<AcceptedChange> {
  const row = await findByUserId(deps.db, userId);
  if (!row) throw new Problem('not_ours');
  c.set('registrationId', row.id);
  if (row.status !== 'completed') throw new Problem('user_not_found', { detail: UNFINISHED });
  // Somebody deletes their own account whatever their roles are.
  const owner = { id: userId, grants: '*' } as const;
  const user = await readVisible(deps, owner, row);
  const roles = user && (await rolesWithinGrants(deps, owner, user));
  if (!user || !roles) throw new Problem('not_ours');
  const wanted = { kind: 'delete', reason: null } as const;
  const key = changeKeyOf(owner, OPERATION, ONLY_ONE, { userId }, wanted);
  return await acceptForUser(deps, c, { user, roles }, wanted, key);
}
