import { randomInt } from 'node:crypto';
import { invalidParameter } from './service-error.ts';

// As LocalStack has it: a tag of a pool, and the beginning of a client's name. Containers are told
// the ids before anything starts, so the sandbox cannot choose them there.
const CUSTOM_ID = '_custom_id_';

const LOWER_AND_DIGITS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** What a caller of `CreateUserPool` adds to get this id. */
export const poolIdTag = (id: string): Record<string, string> => ({ [CUSTOM_ID]: id });

/** The `ClientName` for which `CreateUserPoolClient` gives this id. */
export const clientIdName = (id: string): string => `${CUSTOM_ID}:${id}`;

/** The id of a new pool: the given one, or a generated one. It is also the name of a file. */
export function poolIdFor(tags: Readonly<Record<string, string>> | undefined): string {
  const id = tags?.[CUSTOM_ID] ?? `local_${randomText(9)}`;
  if (!/^[\w-]+_[0-9A-Za-z]+$/.test(id)) throw invalidParameter(`${id} is not a valid pool id`);
  return id;
}

/** Id and name of a new client: the given id is both. */
export function clientIdFor(ClientName: string): { ClientId: string; ClientName: string } {
  const [, given] = ClientName.split(`${CUSTOM_ID}:`);
  return given ? { ClientId: given, ClientName: given } : { ClientId: randomText(26), ClientName };
}

export const newClientSecret = (): string => randomText(52);

function randomText(length: number): string {
  const pick = (): string => LOWER_AND_DIGITS[randomInt(LOWER_AND_DIGITS.length)] ?? '';
  return Array.from({ length }, pick).join('');
}
