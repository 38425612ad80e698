import { randomUUID } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { emailHash } from '../../secrets/email-hash.ts';
import type { Confirmation } from '../../domain/account.ts';
import { normaliseEmail } from '../../domain/email.ts';
import { FAILURES } from '../../domain/failure.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import {
  confirmReset,
  forgetDelivery,
  hastenSignOut,
  promiseSignOut,
  recordSignedOut,
  type ResetBy,
} from '../../ledger/outbox/account-deliveries.ts';
import { cutOffTokens } from '../../ledger/token-cutoffs.ts';
import { findByUserId } from '../../ledger/registrations/account-events.ts';
import type { Secret } from '../../secrets/secret.ts';
import type { AppDeps } from '../app-deps.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import { chosenPasswordText, passwordText, sent } from '../public-form/fields.ts';
import { mountPlain, type Api } from '../openapi/mount.ts';
import { accountInLedger, nameOf } from './account.ts';
import { waitForEvenTime } from './even-time.ts';
import { proveByMailedPassword } from './prove-address.ts';
import { bodyOf, PUBLIC, TAGS } from './session-operations.ts';
import { WRONG_CODE } from './verify-email.ts';

const REJECTED = FAILURES.password_rejected.publicText;
/** Cognito's codes are six digits; a temporary password has letters too. */
const CODE = /^\d{6}$/;
/** Longer than both calls to Cognito last. After it, a call without a reply may still take effect. */
const CALLS_SECONDS = 10;

const resetOf = ({ secret, passwordPolicy }: Pick<AppDeps, 'secret' | 'passwordPolicy'>) =>
  z
    .object({
      username: sent(320).openapi({ description: 'The username or the e-mail address.' }),
      code: passwordText().openapi({ description: 'The mailed code or temporary password.' }),
      new_password: chosenPasswordText().openapi({ description: passwordPolicy.description }),
      confirm_password: chosenPasswordText().nullish(),
    })
    .transform(({ username, code, new_password: chosen, confirm_password: confirmed }) => {
      // Of the request alone: the names in the ledger would tell who exists.
      const email = normaliseEmail(username);
      const owner = email === null ? { username: username.trim() } : { email };
      return {
        username,
        code: CODE.test(code.trim()) ? code.trim() : null,
        temporary: secret(code),
        password: secret(chosen),
        fault: passwordPolicy.faultOf(chosen, confirmed ?? null, owner),
      };
    })
    .openapi('ResetPassword', {
      example: { username: 'ada@example.com', code: '123456', new_password: 'Analytical1' },
    });

/** A new password with what was mailed. Every session of the account ends. */
export function mountResetPassword(api: Api, deps: AppDeps): void {
  const schema = resetOf(deps);
  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'post',
      path: '/auth/reset-password',
      operationId: 'doorResetPassword',
      summary: 'Choose a new password with a mailed code',
      description:
        '`code` is the mailed code or the mailed temporary password. A temporary password also proves the address.',
      request: bodyOf(schema),
      responses: {
        204: { description: 'The password is set, and every session has ended.' },
        ...doorErrors({ 400: [...deps.passwordPolicy.faults, WRONG_CODE, REJECTED] }, PUBLIC),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, schema);
      const begun = performance.now();
      if (body.fault !== null) throw new DoorError(400, body.fault);
      const name = nameOf(body.username);
      c.set('emailHash', emailHash(name));
      const countedAs = name || body.username;
      const giveBack = await deps.limits.accountCall(
        'code_check',
        deps.clientAddress(c),
        countedAs,
      );
      const { poolName, row } = await accountInLedger(deps.db, name);
      const userId = row?.userId ?? null;
      const promise = await promiseSignOut(
        deps.db,
        poolName,
        CALLS_SECONDS + deps.propagationGraceSeconds,
      );
      const result = await confirm(deps, poolName, body);
      // The password may be set: the relay ends the sessions once no call can land any more.
      if (result === 'unknown') {
        if (userId !== null) await cutOffTokens(deps.db, userId, 'sessions_ended');
        throw new ProviderUnavailable('password recovery');
      }
      if (result !== 'done') {
        // A promise that is left ends sessions without need; it harms nobody.
        await forgetDelivery(deps.db, promise).catch(() => undefined);
        if (result === 'unavailable') throw new ProviderUnavailable('password recovery');
        await waitForEvenTime(begun);
        throw new DoorError(400, result === 'refused' ? WRONG_CODE : REJECTED);
      }
      await giveBack();
      await endSessions(
        deps,
        promise,
        { poolName, userId },
        body.code === null ? 'temporary_password' : 'code',
      );
      return c.body(null, 204);
    },
  );
}

async function confirm(
  { recovery }: Pick<AppDeps, 'recovery'>,
  poolName: string,
  body: { readonly code: string | null; readonly temporary: Secret; readonly password: Secret },
): Promise<Confirmation> {
  const { code, temporary, password } = body;
  if (code === null) return await recovery.confirmTemporary(poolName, temporary, password);
  const result = await recovery.confirm(poolName, code, password);
  // The pool may check its own policy before the code. Where it does so only for accounts that exist,
  // nobody is told.
  return result === 'password_rejected'
    ? await recovery.confirm(randomUUID(), code, password)
    : result;
}

/** At once; what fails here is the relay's. The password is set, whatever becomes of this. */
async function endSessions(
  deps: AppDeps,
  promise: string,
  { poolName, userId }: { readonly poolName: string; readonly userId: string | null },
  by: Exclude<ResetBy, 'recovery' | 'unconfirmed'>,
): Promise<void> {
  try {
    await confirmReset(deps.db, promise, userId);
    const user = await deps.accounts.read(poolName);
    if (!user) throw new ProviderUnavailable('user');
    if (user.userId !== userId) await cutOffTokens(deps.db, user.userId, 'sessions_ended');
    await deps.accounts.endSessions(user.username);
    const row = await findByUserId(deps.db, user.userId);
    if (by === 'temporary_password') await proveByMailedPassword(deps, user.userId);
    const holder = { registrationId: row?.id ?? null, userId: user.userId };
    await recordSignedOut(deps.db, promise, holder, by);
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown';
    deps.logger.warn({ error: name }, 'ending the sessions after a reset is left to the relay');
    await hastenSignOut(deps.db, promise).catch(() => undefined);
  }
}
