import { z } from '@hono/zod-openapi';
import { emailHash } from '../../secrets/email-hash.ts';
import { requestRecovery } from '../../ledger/outbox/account-deliveries.ts';
import { json } from '../problems/answers.ts';
import type { AppDeps } from '../app-deps.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { sent } from '../public-form/fields.ts';
import { mountPlain, type Api } from '../openapi/mount.ts';
import { nameOf } from './account.ts';
import { bodyOf, PUBLIC, TAGS } from './session-operations.ts';

const MESSAGE = 'If this account exists, a mail that leads to a new password is on its way.';

const forgotPassword = z
  .object({ username: sent(320).openapi({ description: 'The username or the e-mail address.' }) })
  .openapi('ForgotPassword', { example: { username: 'ada@example.com' } });
const Message = z
  .object({ message: z.string() })
  .openapi('Message', { example: { message: MESSAGE } });

/** A mail for somebody who forgot the password. The relay decides what it says, after the response. */
export function mountForgotPassword(api: Api, deps: AppDeps): void {
  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/forgot-password',
      operationId: 'doorForgotPassword',
      summary: 'Ask for a mail that leads to a new password',
      description:
        'The response is the same for every name. The mail contains a code, or a temporary password if the address is not proved or nobody has signed in yet; then the old password and every session are invalid.',
      request: bodyOf(forgotPassword),
      responses: { 202: json(Message, 'Accepted.'), ...doorErrors({}, PUBLIC) },
    },
    async (c) => {
      const { username } = await readDoorBody(c, forgotPassword);
      const name = nameOf(username);
      c.set('emailHash', emailHash(name));
      // Before anything is looked up, and by the name that was sent.
      await deps.limits.accountCall('code_request', deps.clientAddress(c), name || username);
      await requestRecovery(deps.db, name);
      return c.json({ message: MESSAGE }, 202);
    },
  );
}
