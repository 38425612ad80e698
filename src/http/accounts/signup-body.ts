import { z } from '@hono/zod-openapi';
import { passwordFault } from '../../domain/password-policy.ts';
import type { AppDeps } from '../app-deps.ts';
import { doorEmail, doorUsername, passwordText, trimmed } from '../public-form/fields.ts';
import { MAX_NAME } from '../request/fields.ts';

const name = trimmed(1, MAX_NAME);
const text = passwordText().openapi({
  description: 'At least 8 characters, with an uppercase letter, a lowercase letter and a digit.',
});

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
export function newSignup({ secret }: Pick<AppDeps, 'secret'>, named: boolean) {
  return z
    .object({
      email: doorEmail,
      username: named ? doorUsername : doorUsername.nullish(),
      first_name: named ? name : name.nullish(),
      last_name: named ? name : name.nullish(),
      password: text,
      confirm_password: passwordText().nullish(),
    })
    .transform(({ password, confirm_password, ...rest }) => ({
      email: rest.email,
      username: rest.username ?? null,
      firstName: rest.first_name ?? null,
      lastName: rest.last_name ?? null,
      password: secret(password),
      fault: passwordFault(password, confirm_password ?? null),
    }))
    .openapi(named ? 'NewSignup' : 'NewAsyncSignup', { example: EXAMPLE });
}

export type NewSignup = z.infer<ReturnType<typeof newSignup>>;
