import type { User } from './model.ts';
import { invalidParameter } from './service-error.ts';
import { attributeOf } from './users.ts';

const ATTRIBUTES = new Set([
  'email',
  'phone_number',
  'name',
  'given_name',
  'family_name',
  'preferred_username',
  'sub',
]);

const IGNORES_CASE = new Set(['email', 'status', 'cognito:user_status']);

/** Reads the `Filter` of ListUsers: one attribute, equal to a value or beginning with it. */
export function userFilter(filter: unknown): (user: User) => boolean {
  if (filter === undefined || filter === '') return () => true;
  const text = typeof filter === 'string' ? filter : '';
  const match = /^\s*([\w:]+)\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*$/.exec(text);
  const [, name, operator, quoted] = match ?? [];
  if (name === undefined || quoted === undefined) {
    throw invalidParameter('Error while parsing filter');
  }
  const read = readerOf(name);
  const fold = (value: string): string => (IGNORES_CASE.has(name) ? value.toLowerCase() : value);
  const wanted = fold(quoted.replace(/\\(.)/g, '$1'));
  return (user) => {
    const value = fold(read(user) ?? '');
    return operator === '=' ? value === wanted : value.startsWith(wanted);
  };
}

function readerOf(name: string): (user: User) => string | undefined {
  switch (name) {
    case 'username':
      return ({ Username }) => Username;
    case 'status':
      return ({ Enabled }) => (Enabled ? 'Enabled' : 'Disabled');
    case 'cognito:user_status':
      return ({ UserStatus }) => UserStatus;
    default:
      if (!ATTRIBUTES.has(name)) throw invalidParameter(`Invalid search attribute: ${name}`);
      return (user) => attributeOf(user, name);
  }
}
