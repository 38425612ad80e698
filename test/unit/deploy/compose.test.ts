import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseConfig, parseMigrationUrl } from '../../../src/config/config.ts';
import { VARIABLES } from '../../../src/config/environment-table.ts';
import { SEARCH_ATTRIBUTE_COMMANDS } from '../../../src/temporal/search-attribute.ts';
import { documentedRoles } from '../../support/documented-roles.ts';
import { REPOSITORY } from '../../support/program.ts';
import {
  commandOf,
  mounted,
  readInitScripts,
  readComposeText,
  type Service,
  type Services,
  servicesIn,
} from './compose-file.ts';
import { copyOf, readStages } from './dockerfile.ts';

const text = await readComposeText();
const services = servicesIn(text);
const stages = await readStages();

const KNOWN = new Set(VARIABLES.map(({ name }) => name));
/** Read by the AWS SDK, not by us. */
const OF_AWS = new Set(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);
const named = (name: string): Service => {
  const service = services[name];
  if (!service) throw new Error(`no service ${name}`);
  return service;
};
const all = (of: Services, check: (service: Service) => string[]): string[] =>
  Object.entries(of).flatMap(([name, service]) => check(service).map((bad) => `${name}: ${bad}`));

/** Files that a command runs and that are not there, or not in the image. */
function missingFiles(service: Service): string[] {
  const files = commandOf(service).filter((word) => /\.(?:ts|mjs|sh)$/.test(word));
  const copied = (stages.get(service.build?.target ?? '') ?? [])
    .filter(({ name }) => name === 'COPY')
    .flatMap((copy) => copyOf(copy).from);
  return files.filter((file) => {
    const path = mounted(file, service);
    const inImage = copied.some((from) => from === '.' || `${path}/`.startsWith(`${from}/`));
    return !existsSync(`${REPOSITORY}${path}`) || (service.build !== undefined && !inImage);
  });
}

function strangeVariables({ build, environment }: Service): string[] {
  if (!build) return [];
  return Object.keys(environment).filter((name) => !KNOWN.has(name) && !OF_AWS.has(name));
}

/** What others wait for has to happen: a health check, or an end. */
function vainWaits(of: Services): string[] {
  return all(of, ({ depends_on }) =>
    Object.entries(depends_on).flatMap(([name, { condition }]) => {
      const other = of[name];
      if (!other) return [`${name} is not there`];
      const ends = other.restart === undefined && commandOf(other).length > 0;
      const happens = condition === 'service_healthy' ? other.healthcheck !== undefined : ends;
      return happens ? [] : [`${name} is never ${condition}`];
    }),
  );
}

/** `host:port` of another service, where that service listens elsewhere. */
function deadAddresses(of: Services): string[] {
  const databases = ['postgres', 'temporal-postgres', 'profile-postgres'];
  const listens = Object.fromEntries(databases.map((name) => [name, '5432']));
  for (const [name, service] of Object.entries(of)) {
    const [port] = service.ports.length === 0 ? listensOn(service) : [];
    if (port !== undefined) listens[name] = port;
  }
  for (const [name, { ports }] of Object.entries(of)) {
    for (const port of ports) listens[name] = port.split(':').at(-1) ?? '';
  }
  return all(of, ({ environment }) =>
    Object.values(environment).flatMap((value) =>
      [...value.matchAll(/(?:^|[@/])([a-z][a-z-]*):(\d+)/g)]
        .filter(([, host = '', port]) => listens[host] !== port)
        .map(([address]) => address),
    ),
  );
}

/** Where a service of ours listens. */
function listensOn({ environment }: Service): string[] {
  const { PORT, WORKER_PORT, HOST, COGNITO_ENDPOINT } = environment;
  // The sandbox takes its port from its endpoint; the others only name it.
  const sandbox = HOST && !PORT && !WORKER_PORT && COGNITO_ENDPOINT;
  return [PORT, WORKER_PORT, sandbox && new URL(sandbox).port].flatMap((port) => port || []);
}

/** Ports that a service publishes to everybody, or does not listen on. */
function wrongPorts(service: Service): string[] {
  return service.ports.filter((port) => {
    const [host, , inside = ''] = port.split(':');
    return host !== '127.0.0.1' || (service.build && !listensOn(service).includes(inside));
  });
}

/** Ports that a health check asks, and nobody listens on. */
function deafChecks(service: Service): string[] {
  if (!service.build || !service.healthcheck) return [];
  const asked = [...service.healthcheck.test.join(' ').matchAll(/127\.0\.0\.1:(\d+)/g)];
  const deaf = asked.filter(([, port = '']) => !listensOn(service).includes(port));
  return asked.length === 0 ? ['asks nobody'] : deaf.map(([address]) => address);
}

function looseImages({ image, build }: Service): string[] {
  return /:[\w.-]+$/.test(image) && (build || /:\d/.test(image)) ? [] : [image];
}

function softContainers({ build, init, read_only, tmpfs }: Service): string[] {
  return !build || (init && read_only && tmpfs.includes('/tmp')) ? [] : ['not read-only'];
}

const seconds = (words: string | undefined): number => Number(/^\d+/.exec(words ?? '')?.[0]);

describe('docker-compose.yml', () => {
  test('compose runs files that exist and are in the image', () => {
    expect(all(services, missingFiles)).toEqual([]);
    const ours = Object.values(services).filter(({ build }) => build);
    expect(ours.length).toBeGreaterThan(5);
    for (const service of ours) expect(commandOf(service).slice(0, 2)).toEqual(['node', 'run.mjs']);
  });

  test('compose sets only variables that the configuration reads', () => {
    expect(all(services, strangeVariables)).toEqual([]);
  });

  test('compose gives each process an environment that it accepts', () => {
    const api = parseConfig(named('api').environment, 'api');
    expect(api.worker.inProcess).toBe(false);
    expect(parseConfig(named('worker').environment, 'worker').tokens).toEqual(api.tokens);
    expect(parseConfig(named('setup').environment, 'setup').cognito).toEqual(api.cognito);
  });

  test('compose migrates as the owner of the tables and runs every other process as their user', () => {
    const userOf = (url: string) => new URL(url).username;
    expect(userOf(parseMigrationUrl(named('migrate').environment))).toBe('registrar_owner');
    const ours = Object.entries(services).filter(
      // The profile service has a database of its own.
      ([, { environment }]) => environment['DATABASE_URL']?.includes('@postgres:'),
    );
    expect(ours.map(([name]) => name)).toEqual(['migrate', 'setup', 'api', 'worker']);
    for (const [, { environment }] of ours) {
      expect(userOf(environment['DATABASE_URL'] ?? '')).toBe('registrar_app');
    }
    const mayMigrate = Object.entries(services).filter(
      ([, { environment }]) => 'DATABASE_MIGRATION_URL' in environment,
    );
    expect(mayMigrate.map(([name]) => name)).toEqual(['migrate']);
  });

  test('gives a new database the roles and grants of docs/production.md', async () => {
    const { environment } = named('postgres');
    const path = '/docker-entrypoint-initdb.d/2-grants.sql';
    expect(mounted(path, named('postgres'))).toBe('deploy/postgres/2-grants.sql');
    const { roles, grants } = await documentedRoles();
    const [makesRoles, gives] = await readInitScripts(REPOSITORY, environment);
    expect(gives).toBe(grants);
    const made = roles.replaceAll(/PASSWORD '[^']+'/g, `PASSWORD 'registrar'`).trim();
    expect(makesRoles).toContain(`${made}\nALTER DATABASE registrar OWNER TO registrar_owner;`);
  });

  test('compose names the same pool everywhere', () => {
    for (const name of ['cognito', 'token', 'api', 'worker', 'setup']) {
      expect(named(name).environment).toMatchObject({
        COGNITO_ENDPOINT: 'http://cognito:9229',
        COGNITO_USER_POOL_ID: named('cognito').environment['COGNITO_USER_POOL_ID'],
        COGNITO_CLIENT_ID: named('cognito').environment['COGNITO_CLIENT_ID'],
      });
    }
  });

  test('compose links receipts and the Temporal UI with each other by their published ports', () => {
    const published = (name: string) =>
      `http://${named(name).ports[0]?.split(':').slice(0, 2).join(':')}`;
    const { apiUrl } = parseConfig(named('worker').environment, 'worker').http;
    expect(apiUrl).toBe(published('api'));
    const { uiUrl } = parseConfig(named('api').environment, 'api').temporal;
    expect(uiUrl).toBe(published('temporal-ui'));
  });

  test('compose waits only for conditions that can come true', () => {
    expect(vainWaits(services)).toEqual([]);
    for (const name of ['api', 'worker']) {
      expect(Object.keys(named(name).depends_on)).toEqual(['setup']);
    }
    expect(Object.keys(named('setup').depends_on)).toContain('migrate');
  });

  test('compose probes the ports where processes listen, and publishes to this machine only', () => {
    expect(deadAddresses(services)).toEqual([]);
    expect(all(services, wrongPorts)).toEqual([]);
    expect(all(services, deafChecks)).toEqual([]);
    const checked = Object.keys(services).filter((name) => named(name).healthcheck);
    expect(checked).toEqual(expect.arrayContaining(['api', 'cognito', 'worker']));
  });

  test('compose pins every image', () => {
    expect(all(services, looseImages)).toEqual([]);
    const version = (image: string) => image.split(':')[1];
    expect(version(named('temporal-schema').image)).toBe(version(named('temporal').image));
    expect(version(named('temporal-namespace').image)).toBe(version(named('temporal').image));
  });

  test('compose holds passwords only by variables, and no key', () => {
    const secrets = text
      .split('\n')
      .filter((line) => /(?:PASSWORD|PASS|PWD|KEYS|SECRET): |:\/\/\w+:\D/.test(line));
    expect(secrets.length).toBeGreaterThan(4);
    expect(secrets.filter((line) => !/\$\{\w+:-\w*\}/.test(line))).toEqual([]);
    expect(named('api').environment['PASSWORD_SEALING_KEYS']).toBe('');
  });

  test('compose keeps values out of the log of PostgreSQL, as docs/production.md says', async () => {
    const document = await readFile(`${REPOSITORY}docs/production.md`, 'utf8');
    for (const [setting, value] of [
      ['log_error_verbosity', 'terse'],
      ['log_parameter_max_length', '0'],
    ]) {
      expect(commandOf(named('postgres'))).toContain(`${setting}=${value}`);
      expect(document).toContain(`${setting} = ${value}`);
    }
  });

  test('compose keeps containers read-only and gives them longer than their own drain', async () => {
    expect(all(services, softContainers)).toEqual([]);
    const worker = await readFile(`${REPOSITORY}worker/worker.ts`, 'utf8');
    const force = /shutdownForceTime: '(\d+) seconds'/.exec(worker)?.[1];
    expect(seconds(named('worker').stop_grace_period)).toBeGreaterThan(Number(force));
    expect(seconds(named('api').stop_grace_period)).toBeGreaterThan(5);
  });
});

describe('documents', () => {
  /** Services that a text starts by name, and scripts it scales. */
  const startedIn = (words: string): string[] =>
    [...words.matchAll(/docker compose (?:run --rm (?:-T )?|up .*--scale )([a-z-]+)/g)].map(
      ([, name]) => name ?? '',
    );
  const read = (path: string) => readFile(`${REPOSITORY}${path}`, 'utf8');

  test.each(['README.md', 'docs/production.md'])(
    '%s starts services that are there',
    async (path) => {
      const started = startedIn(await read(path));
      expect(started).toContain('token');
      expect(started.filter((name) => !services[name])).toEqual([]);
    },
  );

  test('docs/production.md has the commands that setup prints, and links files that are there', async () => {
    const document = await read('docs/production.md');
    for (const line of SEARCH_ATTRIBUTE_COMMANDS) expect(document).toContain(line);
    const linked = [...document.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, path]) => path ?? '');
    expect(linked.length).toBeGreaterThan(2);
    expect(linked.filter((path) => !existsSync(`${REPOSITORY}${path}`))).toEqual([]);
  });

  test('docs/production.md names the commands of the file, and the variables it takes', async () => {
    const document = await read('docs/production.md');
    for (const name of ['migrate', 'setup', 'worker', 'api']) {
      expect(document).toContain(`\`${commandOf(named(name)).join(' ')}\``);
    }
    const taken = [...text.matchAll(/\$\{(\w+):-/g)].map(([, name]) => name ?? '');
    expect(taken.filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('each check can fail', () => {
  const worker = named('worker');
  const api = named('api');

  test('files', () => {
    const command = (file: string) => ({ ...worker, command: ['node', 'run.mjs', file] });
    expect(missingFiles(command('worker/gone.ts'))).toEqual(['worker/gone.ts']);
    expect(missingFiles(command('dev/start.ts'))).toEqual(['dev/start.ts']);
    const schema = { ...named('temporal-schema'), volumes: [] };
    expect(missingFiles(schema)).toEqual(['/deploy/schema.sh']);
  });

  test('variables', () => {
    const environment = { ...worker.environment, TEMPORAL_QUEUE: 'x' };
    expect(strangeVariables({ ...worker, environment })).toEqual(['TEMPORAL_QUEUE']);
  });

  test('waits', () => {
    const waits = (name: string, condition: 'service_healthy' | 'service_completed_successfully') =>
      vainWaits({ ...services, worker: { ...worker, depends_on: { [name]: { condition } } } });
    expect(waits('gone', 'service_healthy')).toEqual(['worker: gone is not there']);
    expect(waits('setup', 'service_healthy')).toHaveLength(1);
    expect(waits('api', 'service_completed_successfully')).toHaveLength(1);
    expect(waits('api', 'service_healthy')).toEqual([]);
  });

  test('addresses and ports', () => {
    const environment = { ...worker.environment, TEMPORAL_ADDRESS: 'temporal:7234' };
    expect(deadAddresses({ ...services, worker: { ...worker, environment } })).toEqual([
      'worker: temporal:7234',
    ]);
    expect(wrongPorts({ ...api, ports: ['127.0.0.1:3000:3001'] })).toHaveLength(1);
    expect(wrongPorts({ ...api, ports: ['0.0.0.0:3000:3000'] })).toHaveLength(1);
    expect(wrongPorts({ ...api, ports: ['3000:3000'] })).toHaveLength(1);
    const healthcheck = { test: ['CMD', 'curl', 'http://127.0.0.1:3001/health/ready'] };
    expect(deafChecks({ ...api, healthcheck })).toEqual(['127.0.0.1:3001']);
    expect(deafChecks({ ...worker, healthcheck })).toEqual(['127.0.0.1:3001']);
    expect(deafChecks({ ...api, healthcheck: { test: ['CMD', 'true'] } })).toHaveLength(1);
  });

  test.each(['postgres', 'postgres:latest', 'temporalio/ui'])('image %s', (image) => {
    expect(looseImages({ ...named('postgres'), image })).toEqual([image]);
  });

  test('a container that may be written, or has no folder to write to', () => {
    expect(softContainers({ ...api, read_only: false })).toHaveLength(1);
    expect(softContainers({ ...api, tmpfs: [] })).toHaveLength(1);
  });

  test('interpolation', () => {
    const file = (value: string) => `services: { a: { image: '${value}' } }`;
    const image = (value: string, values = {}) => servicesIn(file(value), values)['a']?.image;
    expect(image('x:${V:-1}')).toBe('x:1');
    expect(image('x:${V:-1}', { V: '2' })).toBe('x:2');
    expect(image('$$V')).toBe('$V');
    for (const wrong of ['$V', '${V}', '${V:?gone}']) expect(() => image(wrong)).toThrow('is no');
  });
});
