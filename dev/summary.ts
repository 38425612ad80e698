import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../src/config/config.ts';
import { runsLink } from '../src/domain/runs-link.ts';
import { FIRST_ADMINISTRATOR } from './person.ts';
import type { Part } from './stack/parts.ts';
import type { Stack } from './stack/stack.ts';

const TITLES: Readonly<Record<Part['name'], string>> = {
  temporal: 'Temporal',
  postgres: 'PostgreSQL',
  cognito: 'Cognito',
  'profile-service': 'profiles',
};

/** An address that no earlier start has printed: the state stays, and with it who was registered. */
function newAddress(): string {
  return `user-${randomBytes(4).toString('hex')}@example.com`;
}

const SIGN_IN = `Sign in to the console as ${FIRST_ADMINISTRATOR}; the first password is the "code" of the mail sent.`;

/** The API as this machine reaches it. */
export function apiUrlOf({ host, port }: Pick<Config['http'], 'host' | 'port'>): string {
  const name = /^(0\.0\.0\.0|::)$/.test(host) ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** What `npm start` prints: what runs, whose it is, where, and a command to paste. */
export function summaryOf(
  config: Config,
  stack: Stack,
  home: string,
  bearer: string | undefined,
): string {
  const api = apiUrlOf(config.http);
  const rows: (readonly [string, string])[] = [
    ['API', api],
    ['docs', `${api}/docs`],
    ...stack.parts.map(({ name, kind, url }) => [TITLES[name], `${kind}, ${url}`] as const),
  ];
  const { uiUrl, namespace } = config.temporal;
  if (uiUrl !== null) rows.push(['Temporal UI', runsLink(uiUrl, namespace)]);
  if (config.http.console) rows.push(['console', `${api}/console`]);
  if (bearer !== undefined) {
    rows.push(['example', `${api}/example`]);
    rows.push(['mail sent', `${config.cognito.endpoint}/_sandbox/mail`]);
  }
  rows.push(['state', home], ['log', join(home, 'registrar.log')]);
  const curl = [
    `curl -sS -X POST ${api}/registrations`,
    `-H 'authorization: Bearer ${bearer ?? '<an access token of your pool>'}'`,
    `-H 'content-type: application/json' -H 'prefer: wait=10'`,
    `-d '{"email":"${newAddress()}","roles":["viewer"]}'`,
  ].join(' ');
  return [
    '',
    'Registrar is running.',
    '',
    ...rows.map(([title, text]) => `  ${title.padEnd(12)} ${text}`),
    '',
    'Register a user (the token is valid for 30 minutes; `npm run --silent token` prints a new one):',
    '',
    curl,
    '',
    ...(config.http.console && bearer !== undefined ? [SIGN_IN, ''] : []),
    'Ctrl-C stops everything. `npm run reset` removes the stored state.',
  ].join('\n');
}
