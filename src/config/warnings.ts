import { isLoopback } from './local-hosts.ts';
import type { Config } from './config.ts';
import type { Grant } from '../domain/grants.ts';

/** Warnings about a valid but unsafe configuration; each begins with the name of the variable. No
 * warning contains a secret. */
export function configWarnings(config: Config): string[] {
  const { environment, grants, http } = config;
  const warnings = [...grantsThatGrow(grants)];
  if (environment !== 'local') warnings.push(...plainConnections(config));
  if (environment === 'production' && http.doors.has('signup')) {
    if (http.signupVerification === 'optional') warnings.push(UNVERIFIED_SIGN_UP);
  }
  // Only a warning: a container has to listen on such an address, and may publish it on loopback only.
  if (http.doors.has('seeding') && !isLoopback(http.host)) {
    warnings.push(
      `HOST: ${http.host} is not a loopback address and the seeding door is open: anyone who can reach this port can create users without a token`,
    );
  }
  return warnings;
}

const UNVERIFIED_SIGN_UP =
  'SIGNUP_VERIFICATION: optional with the signup door open: anyone can sign up and sign in with the e-mail address of somebody else; set required';

/** Roles whose members may grant more than the subject that may grant the role. */
function grantsThatGrow(grants: readonly Grant[]): string[] {
  const grantsOf = (kind: string, name: string): readonly Grant[] =>
    grants.filter(({ subject }) => subject.kind === kind && subject.name === name);
  const rolesIn = (of: readonly Grant[]): Set<string> => new Set(of.flatMap(({ roles }) => roles));
  return grants.flatMap(({ subject, roles }) => {
    const own = rolesIn(grantsOf(subject.kind, subject.name));
    if (roles === '*' || own.has('*')) return [];
    return roles.flatMap((role) => {
      const more = [...rolesIn(grantsOf('group', role))].filter((one) => !own.has(one));
      if (more.length === 0) return [];
      const what = more.includes('*') ? 'every role' : more.join(', ');
      return `ROLE_GRANTS: ${subject.kind}:${subject.name} may grant ${role}, whose members may grant ${what}, which ${subject.kind}:${subject.name} itself may not grant`;
    });
  });
}

/** Connections beyond this machine that others on the network can read and change. */
function plainConnections(config: Config): string[] {
  const { cognito, tokens, events, profile, database, temporal } = config;
  const { endpoint } = cognito;
  const urls = [
    ['COGNITO_ENDPOINT', endpoint, 'http:'],
    // Unless it is set, the URL of the keys is below the endpoint, which has its own warning.
    ['COGNITO_JWKS_URL', keysOf(endpoint, tokens.jwksUrl), 'http:'],
    ['EVENTS_AMQP_URL', events.amqp?.url ?? null, 'amqp:'],
    ['PROFILE_URL', profile?.form === 'http' ? profile.url : null, 'http:'],
  ] as const;
  const plain: string[] = urls.flatMap(([name, url, protocol]) => {
    const parsed = URL.parse(url ?? '');
    return parsed?.protocol === protocol && !isLoopback(parsed.hostname) ? [name] : [];
  });
  if (isPlainDatabase(database.url)) plain.push('DATABASE_URL');
  if (!temporal.connection.tls && !isLoopback(temporal.address.replace(/:\d+$/, ''))) {
    plain.push('TEMPORAL_ADDRESS');
  }
  return plain.map((name) => `${name}: ${PLAIN[name] ?? ''}`);
}

const PLAIN: Readonly<Record<string, string>> = {
  COGNITO_ENDPOINT: 'http has no TLS: use https',
  COGNITO_JWKS_URL:
    'http has no TLS: an attacker on the network can replace the keys and forge tokens',
  EVENTS_AMQP_URL: 'amqp has no TLS: use amqps',
  PROFILE_URL: 'http has no TLS: use https, or a network that only the two services are in',
  DATABASE_URL: 'TLS is not required: add sslmode=require or sslmode=verify-full',
  TEMPORAL_ADDRESS: 'the connection has no TLS: set TEMPORAL_TLS=true',
};

function keysOf(endpoint: string | null, jwksUrl: string): string | null {
  return endpoint !== null && jwksUrl.startsWith(`${endpoint}/`) ? null : jwksUrl;
}

function isPlainDatabase(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  const mode = url.searchParams.get('sslmode') ?? url.searchParams.get('ssl') ?? 'disable';
  // `prefer` and `allow` continue without TLS if the server, or an attacker in its place, offers none.
  if (!['disable', 'false', 'prefer', 'allow'].includes(mode)) return false;
  const hosts = decodeURIComponent(url.hostname).split(',');
  // No host, or a path: a socket of this machine.
  return !hosts.every((host) => host === '' || host.startsWith('/') || isLoopback(host));
}
