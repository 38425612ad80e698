import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Registration } from '../../domain/registration.ts';
import { acceptInputOf, type RegistrationRequest } from '../registrations/registration-request.ts';
import { json } from '../problems/answers.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { DoorError, plainErrors } from '../public-form/error.ts';
import { doorEmail, password, trimmed } from '../public-form/fields.ts';
import {
  acceptAnybody,
  EMAIL_EXISTS,
  publicHeaders,
  publicScope,
  rejectedValue,
} from '../public-form/accept.ts';
import { DOOR_WAIT_SECONDS } from './door.ts';
import { mountPlain, type Api } from '../openapi/mount.ts';
import { problemOf } from '../registrations/outcome.ts';
import { waitUntilSettled } from '../registrations/wait.ts';

const MIN_PASSWORD = 8;
const MAX_FULL_NAME = 255;
const PATH = '/api/v1/private/users/';

const newSeed = ({ secret }: Pick<AppDeps, 'secret'>) =>
  z
    .object({
      email: doorEmail,
      password: password(secret, MIN_PASSWORD),
      full_name: trimmed(0, MAX_FULL_NAME),
      is_verified: z.boolean().default(false),
    })
    .openapi('NewSeed', {
      example: {
        email: 'ada@example.com',
        password: 'analytical',
        full_name: 'Ada Lovelace',
        is_verified: true,
      },
    });
const Seed = z
  .object({
    id: z
      .string()
      .nullable()
      .openapi({ description: 'The sub of the user; null before the user exists.' }),
    email: z.string(),
    full_name: z.string(),
    is_active: z.boolean().openapi({ description: 'Whether the user can already sign in.' }),
    is_superuser: z.literal(false),
  })
  .openapi('Seed');

/** The `seeding` door: creates users in a local stack without a token. The configuration keeps it closed
 * unless ENVIRONMENT=local. */
export function mountSeedingDoor(api: Api, deps: AppDeps): void {
  const schema = newSeed(deps);
  const seed = async (c: Context<AppEnv>): Promise<Response> => {
    const body = await readDoorBody(c, schema);
    const input = acceptInputOf(deps, wantedOf(body), publicScope(c, 'seeding', body.email));
    const { registration, replayed } = await acceptAnybody(deps, input, 409);
    c.set('registrationId', registration.id);
    if (replayed) c.header('Idempotent-Replayed', 'true');
    const { signal } = c.req.raw;
    const row = await waitUntilSettled(deps, registration, DOOR_WAIT_SECONDS, signal);
    refuseFailed(row);
    const done = row.status === 'completed';
    if (!done) c.header('Location', `/registrations/${row.id}`);
    const shown = { id: row.userId, email: body.email, full_name: body.full_name, is_active: done };
    return c.json({ ...shown, is_superuser: false }, done ? 200 : 202);
  };

  mountPlain(
    api,
    deps,
    {
      method: 'post',
      path: PATH,
      operationId: 'doorSeedUser',
      summary: 'Create a user in a local stack',
      description: 'Available only when ENVIRONMENT is `local`. The trailing slash is optional.',
      tags: ['Door: seeding'],
      request: {
        headers: publicHeaders,
        body: { required: true, content: { 'application/json': { schema } } },
      },
      responses: {
        200: json(Seed, 'Created.', {
          'Idempotent-Replayed': '`true` if the Idempotency-Key was used before.',
        }),
        202: json(Seed, 'Not finished within 10 s. The registration continues.', {
          Location: 'URL of the registration.',
          'Idempotent-Replayed': '`true` if the Idempotency-Key was used before.',
        }),
        ...doorErrors({ 409: [EMAIL_EXISTS] }, [
          'payload_too_large',
          'registration_cancelled',
          'registration_failed',
          'manual_cleanup_required',
          'identity_provider_refused',
          'seal_lost',
          'user_vanished',
          'terminated',
          'unavailable',
          'internal',
        ]),
      },
    },
    seed,
  );
  const slashless = PATH.slice(0, -1);
  api.use(slashless, plainErrors());
  api.post(slashless, seed);
}

function wantedOf(body: z.infer<ReturnType<typeof newSeed>>): RegistrationRequest {
  return {
    door: 'seeding',
    email: body.email,
    username: null,
    firstName: null,
    lastName: null,
    attributes: body.full_name === '' ? {} : { name: body.full_name },
    emailVerified: body.is_verified,
    invite: false,
    password: body.password,
    roles: [],
    rolesSent: [],
  };
}

function refuseFailed(row: Registration): void {
  const problem = problemOf(row);
  if (problem?.code === 'email_taken') throw new DoorError(409, EMAIL_EXISTS);
  if (problem?.code === 'password_rejected') {
    const error = problem.failure.publicText;
    const place = { loc: ['body', 'password'], msg: `Value error, ${error}`, ctx: { error } };
    throw new DoorError(422, [{ type: 'value_error', ...place }]);
  }
  if (problem?.code === 'registration_rejected') throw rejectedValue();
  if (problem) throw problem;
}
