import { z } from '@hono/zod-openapi';
import type { AppDeps } from '../app-deps.ts';
import { chosenPasswordText, doorEmail, doorUsername, trimmed } from '../public-form/fields.ts';
import { MAX_NAME } from '../request/fields.ts';

const name = trimmed(1, MAX_NAME);

const EXAMPLE = {
  email: 'ada@example.com',
  username: 'ada',
  first_name: 'Ada',
  last_name: 'Lovelace',
  password: 'Analytical1',
  confirm_password: 'Analytical1',
};

/** The body of a sign-up. `fault` is the first rule that the password breaks; it is reported only after
 * all other validation errors.
 * @param named whether username and names are required; the asynchronous form requires none */
export function newSignup(
  { secret, passwordPolicy }: Pick<AppDeps, 'secret' | 'passwordPolicy'>,
  named: boolean,
) {
  const { description } = passwordPolicy;
  return z
    .object({
      email: doorEmail,
      username: named ? doorUsername : doorUsername.nullish(),
      first_name: named ? name : name.nullish(),
      last_name: named ? name : name.nullish(),
      password: chosenPasswordText().openapi({ description }),
      confirm_password: chosenPasswordText().nullish(),
    })
    .transform(({ password, confirm_password, ...rest }) => {
      const owner = {
        email: rest.email,
        username: rest.username ?? null,
        firstName: rest.first_name ?? null,
        lastName: rest.last_name ?? null,
      };
      const fault = passwordPolicy.faultOf(password, confirm_password ?? null, owner);
      return { ...owner, password: secret(password), fault };
    })
    .openapi(named ? 'NewSignup' : 'NewAsyncSignup', { example: EXAMPLE });
}

export type NewSignup = z.infer<ReturnType<typeof newSignup>>;
