/** A way by which a password comes in. */
export interface PasswordDoor {
  readonly name: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: (email: string, password: string) => object;
  /** What it answers to a person, to a rejected password, while the run is parked, and to the same
   * person again. */
  readonly statuses: Readonly<Record<'completed' | 'rejected' | 'parked' | 'again', number>>;
}

const signup = (email: string, password: string) => ({
  email,
  username: email.slice(0, email.indexOf('@')),
  first_name: 'Ada',
  last_name: 'Lovelace',
  password,
  confirm_password: password,
});

/** Every one that keeps a password until the user exists. */
export const PASSWORD_DOORS: readonly PasswordDoor[] = [
  {
    name: 'canonical',
    path: '/registrations',
    headers: { prefer: 'wait=10' },
    body: (email, password) => ({ email, roles: ['viewer'], password }),
    statuses: { completed: 201, rejected: 422, parked: 202, again: 409 },
  },
  {
    name: 'signup',
    path: '/auth/register',
    headers: {},
    body: signup,
    statuses: { completed: 201, rejected: 400, parked: 202, again: 400 },
  },
  {
    name: 'signup-async',
    path: '/auth/register',
    headers: { prefer: 'respond-async' },
    body: signup,
    statuses: { completed: 202, rejected: 202, parked: 202, again: 202 },
  },
  {
    name: 'seeding',
    path: '/api/v1/private/users/',
    headers: {},
    body: (email, password) => ({ email, password, full_name: 'Ada Lovelace' }),
    statuses: { completed: 200, rejected: 422, parked: 202, again: 409 },
  },
];
