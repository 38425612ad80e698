import { z } from '@hono/zod-openapi';
import { recordNames } from '../../ledger/registrations/names.ts';
import { TokenRejected } from '../access/tokens.ts';
import type { AppDeps } from '../app-deps.ts';
import { BEARER, mountPlain, type Api } from '../openapi/mount.ts';
import { json } from '../problems/answers.ts';
import { doorErrors } from '../public-form/answers.ts';
import { readDoorBody } from '../public-form/body.ts';
import { trimmed } from '../public-form/fields.ts';
import { MAX_NAME } from '../request/fields.ts';
import { compareWithLedger } from './admission.ts';
import { bodyOf, EVERYWHERE, PUBLIC, TAGS } from './session-operations.ts';
import { PersonSchema, showPerson } from './signed-in.ts';

const names = z
  .object({
    first_name: trimmed(1, MAX_NAME).optional(),
    last_name: trimmed(1, MAX_NAME).optional(),
  })
  .openapi('ProfileChange', { example: { first_name: 'Ada', last_name: 'King' } });

/** Reading and changing one's own profile. */
export function mountProfile(api: Api, deps: AppDeps): void {
  const { sessions, db } = deps;
  const shown = async (accessToken: string) => {
    const inPool = await sessions.personOf(accessToken);
    if (!inPool) throw new TokenRejected('signed out');
    return showPerson((await compareWithLedger(deps, inPool)).person);
  };

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'get',
      path: '/profile',
      operationId: 'doorProfile',
      summary: 'Read the profile of the signed-in user',
      description: 'Reads the user from Cognito. The token is refused immediately after sign-out.',
      security: BEARER,
      responses: {
        200: json(PersonSchema, 'The person.'),
        ...doorErrors({}, ['unauthenticated', ...EVERYWHERE], false),
      },
    },
    async (c) => c.json(await shown(c.var.accessToken), 200),
  );

  mountPlain(
    api,
    deps,
    {
      ...TAGS,
      method: 'patch',
      path: '/profile',
      operationId: 'doorChangeProfile',
      summary: 'Change the names of the signed-in user',
      description: 'A name that is not sent stays as it is.',
      security: BEARER,
      // Without one nothing changes.
      request: { body: { ...bodyOf(names).body, required: false } },
      responses: {
        200: json(PersonSchema, 'The person.'),
        ...doorErrors({}, ['unauthenticated', ...PUBLIC]),
      },
    },
    async (c) => {
      const body = await readDoorBody(c, names);
      await deps.limits.sessionCall(deps.clientAddress(c));
      const { accessToken } = c.var;
      const changed = { firstName: body.first_name, lastName: body.last_name };
      // Cognito first: it is the truth about people, and the same request again repeats both.
      if (!(await sessions.rename(accessToken, changed))) throw new TokenRejected('signed out');
      const person = await shown(accessToken);
      await recordNames(db, person.user_id, changed);
      return c.json(person, 200);
    },
  );
}
