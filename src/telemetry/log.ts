import { pino, type DestinationStream, type Logger } from 'pino';

/** Names of fields that hold a person or a secret, here or in a library that logs through us. */
const NAMES = [
  'email',
  'username',
  'cognitoUsername',
  'preferred_username',
  'firstName',
  'lastName',
  'given_name',
  'family_name',
  'password',
  'token',
  'accessToken',
  'refreshToken',
  'authorization',
  'secret',
];
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

const HIDDEN = '[hidden]';
// Never from the middle of an escape on: the line has to stay JSON.
const ADDRESS =
  /(?<!\\(?:u[\da-f]{0,3})?)[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g;
const TOKEN = /\beyJ[\w-]+\.[\w-]+(?:\.[\w-]+)*/g;

/**
 * Lines of JSON. Nobody logs an address, a name or a secret; this is the wall behind that rule: such
 * fields are hidden, and whatever looks like an address or a token wherever it stands.
 */
export function openLog(
  level: LogLevel,
  process: string | null,
  destination?: DestinationStream,
): Logger {
  const options = {
    level,
    base: process === null ? null : { process },
    redact: { paths: NAMES.flatMap((name) => [name, `*.${name}`]), censor: HIDDEN },
    hooks: { streamWrite: hidden },
  };
  return destination ? pino(options, destination) : pino(options);
}

function hidden(line: string): string {
  const plain = line.includes('@') ? line.replaceAll(ADDRESS, HIDDEN) : line;
  return plain.includes('eyJ') ? plain.replaceAll(TOKEN, HIDDEN) : plain;
}
