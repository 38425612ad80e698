import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { FAILURES } from '../../domain/failure.ts';
import type { Registration } from '../../domain/registration.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import type { AcceptInput } from '../../ledger/registrations/accept.ts';
import { acceptWithoutDisclosure } from '../../ledger/registrations/accept-without-disclosure.ts';
import type { Secret } from '../../secrets/secret.ts';
import { acceptInputOf, type RegistrationRequest } from '../registrations/registration-request.ts';
import { json } from '../problems/answers.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError } from '../public-form/error.ts';
import {
  acceptAnybody,
  EMAIL_EXISTS,
  publicHeaders,
  publicScope,
  rejectedValue,
  reusedKey,
  USERNAME_EXISTS,
} from '../public-form/accept.ts';
import { DOOR_WAIT_SECONDS } from '../doors/door.ts';
import { firstTokens } from './first-tokens.ts';
import { mountPlain, type Api } from '../openapi/mount.ts';
import { prefersAsync } from '../request/prefer.ts';
import { newSignup, type NewSignup } from './signup-body.ts';
import { SignedInSchema, showPerson, showTokens } from './signed-in.ts';
import { waitUntilSettled } from '../registrations/wait.ts';

const FAILED = 'An error occurred during registration. Please try again later.';
const MESSAGE = 'Registration accepted. You can sign in as soon as it is complete.';
const MESSAGE_TO_VERIFY =
  'Registration accepted. You can sign in as soon as it is complete and your e-mail address is verified.';
/** Starts without disclosure are delayed by a random time up to this: the work for a free address must
 * not show in the time of the next response. */
const SPREAD_MS = 1000;

const Processing = z
  .object({ message: z.string(), registration_id: z.string().openapi({ format: 'uuid' }) })
  .openapi('SignupAccepted', {
    example: { message: MESSAGE, registration_id: '0b6d1f0e-6f0e-4a53-9a51-2f6f3f0d9b11' },
  });

/** The `signup` door: people register themselves with their own password. */
export function mountSignupDoor(api: Api, deps: AppDeps): void {
  const named = newSignup(deps, true);
  const undisclosed = newSignup(deps, false);
  const schema = deps.signupMode === 'async' ? undisclosed : named;
  const mustVerify = deps.signupVerification === 'required';
  const headers = publicHeaders.extend({
    Prefer: z.string().optional().openapi({
      description:
        '`respond-async`: respond with 202 at once. The response is the same for a taken and a free address. Username and names are then optional.',
    }),
  });

  mountPlain(
    api,
    deps,
    {
      method: 'post',
      path: '/auth/register',
      operationId: 'doorSignUp',
      summary: 'Sign up',
      tags: ['Door: signup'],
      request: { headers, body: { required: true, content: { 'application/json': { schema } } } },
      responses: {
        201: json(SignedInSchema, 'Registered and signed in.', {
          'Idempotent-Replayed':
            '`true` if the Idempotency-Key was used before and the password is correct.',
        }),
        202: json(
          Processing,
          'Accepted: the asynchronous form was requested, the address has to be verified first (`SIGNUP_VERIFICATION=required`), or the registration did not finish within 10 s.',
          {
            Location: 'URL of the registration. Absent in the asynchronous form.',
            'Preference-Applied': 'The preferences that were applied.',
            'Idempotent-Replayed': '`true` if the Idempotency-Key was used before.',
          },
        ),
        ...doorErrors(
          {
            400: [
              ...deps.passwordPolicy.faults,
              EMAIL_EXISTS,
              USERNAME_EXISTS,
              FAILURES.password_rejected.publicText,
            ],
            500: [FAILED],
          },
          ['rate_limited', 'payload_too_large', 'unavailable'],
        ),
      },
    },
    async (c) => {
      const preferred = prefersAsync(c.req.header('prefer'));
      const isAsync = preferred || deps.signupMode === 'async';
      const body = await readDoorBody(c, isAsync ? undisclosed : named);
      const scope = publicScope(c, 'signup', body.email);
      if (body.fault !== null) throw new DoorError(400, body.fault);
      await deps.limits.signUp(deps.clientAddress(c), body.email);
      c.set('emailHash', emailHash(body.email));
      const input = acceptInputOf(deps, wantedOf(body), scope);
      if (preferred) c.header('Preference-Applied', 'respond-async');
      // Who must prove the address gets no tokens here, so nothing has to tell a taken address either.
      return isAsync || mustVerify
        ? await answerWithoutDisclosure(deps, c, { ...input, mailsCode: mustVerify && !isAsync })
        : await answerSignedIn(deps, c, input, body.password);
    },
    FAILED,
  );
}

function wantedOf({ fault: _fault, ...body }: NewSignup): RegistrationRequest {
  return {
    ...body,
    door: 'signup',
    attributes: {},
    emailVerified: false,
    invite: false,
    roles: [],
    rolesSent: [],
  };
}

/** The synchronous form: tokens, or what keeps them. */
async function answerSignedIn(
  deps: AppDeps,
  c: Context<AppEnv>,
  input: AcceptInput,
  password: Secret,
): Promise<Response> {
  const until = Date.now() + DOOR_WAIT_SECONDS * 1000;
  const { registration, replayed } = await acceptAnybody(deps, input, 400);
  c.set('registrationId', registration.id);
  if (replayed) {
    // Tokens for the right password only: that is a sign-in, and limited as one.
    await deps.limits.sessionCall(deps.clientAddress(c));
    c.header('Idempotent-Replayed', 'true');
  }
  const row = await waitUntilSettled(deps, registration, DOOR_WAIT_SECONDS, c.req.raw.signal);
  refuseFailed(row);
  const checksPassword = replayed && row.status === 'completed';
  const giveBack = checksPassword
    ? await deps.limits.passwordCheck(deps.clientAddress(c), input.email)
    : null;
  const found = await firstTokens(deps, row, { password, until, replayed });
  if (found === 'wrong_password') throw new DoorError(400, EMAIL_EXISTS);
  if (found !== null) {
    await giveBack?.();
    const person = { ...row, userId: row.userId ?? '', email: input.email };
    return c.json({ ...showTokens(found), ...showPerson(person) }, 201);
  }
  c.header('Location', `/registrations/${row.id}`);
  return c.json({ message: MESSAGE, registration_id: row.id }, 202);
}

/** Neither text, status nor time of the asynchronous form shows whether an address is taken. */
async function answerWithoutDisclosure(
  deps: AppDeps,
  c: Context<AppEnv>,
  input: AcceptInput,
): Promise<Response> {
  const result = await acceptWithoutDisclosure(deps.db, input, deps.personalDataRetentionDays);
  if (result.kind === 'key_reused') throw reusedKey();
  const { id } = result;
  c.set('registrationId', id);
  if (result.kind === 'replayed') c.header('Idempotent-Replayed', 'true');
  else if (result.starts) {
    // Of a process that ends before, the sweep starts it.
    setTimeout(() => deps.runs.startSoon(id), Math.random() * SPREAD_MS).unref();
  }
  const message = deps.signupVerification === 'required' ? MESSAGE_TO_VERIFY : MESSAGE;
  return c.json({ message, registration_id: id }, 202);
}

function refuseFailed({ status, failure }: Registration): void {
  if (status === 'failed' && failure?.code === 'email_taken') {
    throw new DoorError(400, EMAIL_EXISTS);
  }
  if (status === 'failed' && failure?.code === 'password_rejected') {
    throw new DoorError(400, failure.detail);
  }
  if (status === 'failed' && failure?.code === 'registration_rejected') throw rejectedValue();
  if (status === 'failed' || status === 'cancelled' || status === 'cleanup_required') {
    throw new DoorError(500, FAILED);
  }
}
