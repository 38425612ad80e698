import { describe, expect, test } from 'vitest';
import { importsOf, sourcesOf, type SourceFile } from './source.ts';

/** A folder (`src/domain/`), a file, a package, or `node:`; `types`: nothing of it at run time. */
type Allowed = string | { readonly types: string };

interface Row {
  /** Folder or file; the first row that fits a file is its row. */
  readonly from: string;
  readonly may: readonly Allowed[];
}

const HONO = ['hono', '@hono/zod-openapi', 'zod'];
const WIRES = [
  'src/',
  'activities/',
  'worker/',
  'setup/',
  'dev/',
  'node:',
  'pino',
  'zod',
  'postgres',
  '@temporalio/client',
  '@temporalio/worker',
  '@aws-sdk/',
];

/** The table of docs/architecture.md; for what wires things together, only what it needs. */
const TABLE: readonly Row[] = [
  { from: 'src/domain/', may: ['src/domain/'] },
  {
    from: 'workflows/',
    may: [
      'workflows/',
      '@temporalio/workflow',
      '@temporalio/common',
      'src/domain/',
      { types: 'activities/contract.ts' },
    ],
  },
  // A main: it reads the environment.
  { from: 'src/db/main.ts', may: ['src/db/', 'src/config.ts'] },
  {
    from: 'src/ledger/',
    may: ['src/ledger/', 'src/db/', 'src/domain/', 'src/secrets/', 'drizzle-orm', 'node:'],
  },
  {
    from: 'src/db/',
    may: ['src/db/', 'src/domain/', 'src/secrets/', 'drizzle-orm', 'postgres', 'node:'],
  },
  // Where events go: one file for each destination's protocol.
  {
    from: 'activities/relay/',
    may: [
      'activities/',
      'src/domain/',
      'src/ledger/',
      'node:',
      'amqplib',
      'undici',
      'standardwebhooks',
      'ipaddr.js',
      ...['src/db/client.ts', 'src/db/advisory-lock.ts'].map((types) => ({ types })),
    ],
  },
  {
    from: 'activities/',
    may: [
      'activities/',
      '@temporalio/activity',
      '@temporalio/common',
      '@aws-sdk/',
      'node:',
      'src/domain/',
      'src/ledger/',
      'src/secrets/',
      { types: 'src/db/client.ts' },
    ],
  },
  {
    from: 'src/temporal/',
    may: ['src/temporal/', '@temporalio/client', 'src/domain/', 'workflows/messages.ts'],
  },
  { from: 'src/secrets/', may: ['src/secrets/', 'node:'] },
  {
    from: 'src/metrics/',
    may: ['src/metrics/', 'src/domain/', 'prom-client', { types: 'src/ledger/backlog.ts' }],
  },
  {
    from: 'src/access/',
    may: [
      'src/access/',
      'src/domain/',
      'aws-jwt-verify',
      'hono',
      // Limits: whose, how many, and no plain address of a person in a key.
      'ipaddr.js',
      'rate-limiter-flexible',
      'node:',
    ],
  },
  {
    from: 'src/routes/',
    may: [
      'src/routes/',
      'src/domain/',
      'src/access/',
      'src/ledger/',
      'src/email-hash.ts',
      'src/problem-details.ts',
      // The version of the OpenAPI document.
      'package.json',
      ...HONO,
      'node:',
      ...['src/temporal/', 'src/secrets/', 'src/db/client.ts', 'src/db/database-state.ts'].map(
        (types) => ({ types }),
      ),
    ],
  },
  {
    from: 'src/app.ts',
    may: ['src/routes/', 'src/problem-details.ts', 'src/db/database-state.ts', ...HONO],
  },
  {
    from: 'src/config.ts',
    may: [
      'src/aws-hosts.ts',
      'src/environment-reader.ts',
      'src/environment-table.ts',
      'src/domain/',
      { types: 'src/secrets/sealing.ts' },
      '@temporalio/envconfig',
    ],
  },
  {
    from: 'src/config-warnings.ts',
    may: ['src/access/local-hosts.ts', 'src/domain/', { types: 'src/config.ts' }],
  },
  { from: 'src/environment-', may: [] },
  { from: 'src/aws-hosts.ts', may: [] },
  { from: 'src/problem-details.ts', may: ['src/domain/'] },
  { from: 'src/http-server.ts', may: ['src/problem-details.ts', '@hono/node-server', 'node:'] },
  { from: 'src/changes.ts', may: ['node:'] },
  { from: 'src/housekeeping.ts', may: ['src/db/', 'src/ledger/'] },
  {
    from: 'src/server.ts',
    may: ['src/', 'activities/', 'worker/', 'pino', 'node:'],
  },
  { from: 'src/port-taken.ts', may: [] },
  { from: 'src/email-hash.ts', may: ['node:'] },
  { from: 'src/log.ts', may: ['pino', { types: 'src/config.ts' }] },
  { from: 'src/main.ts', may: ['src/', 'setup/'] },
  { from: 'worker/', may: WIRES },
  { from: 'setup/', may: WIRES },
  { from: 'dev/', may: WIRES },
];

/** A client of its own, besides src/temporal: whoever makes the connection. */
const CLIENT_MAKERS = [
  'worker/compose.ts',
  'worker/supervise.ts',
  'worker/status.ts',
  'worker/sweep-once.ts',
  // What its errors say.
  'worker/temporal-connection.ts',
  'worker/verify-replay.ts',
  // Reads runs, whoever made them.
  'worker/replay.ts',
  'setup/',
  'dev/',
];

function covers(place: string, target: string): boolean {
  if (place.endsWith('/') || place.endsWith(':') || place.endsWith('-')) {
    return target.startsWith(place);
  }
  return target === place || target.startsWith(`${place}/`);
}

function violationsOf(file: SourceFile): string[] {
  const row = TABLE.find(({ from }) => covers(from, file.path));
  if (!row) return [`${file.path} has no row`];
  const wrong = importsOf(file).filter(({ target, typesOnly }) => {
    if (target === '@temporalio/client' && !row.from.startsWith('src/temporal')) {
      if (!CLIENT_MAKERS.some((place) => covers(place, file.path))) return true;
    }
    return !row.may.some((allowed) =>
      typeof allowed === 'string'
        ? covers(allowed, target)
        : typesOnly && covers(allowed.types, target),
    );
  });
  return wrong.map(({ target }) => `${file.path} imports ${target}`);
}

describe('the import table of docs/architecture.md', () => {
  test('holds for every file', async () => {
    const files = await sourcesOf('src', 'workflows', 'activities', 'worker', 'setup', 'dev');
    expect(files.length).toBeGreaterThan(100);
    expect(files.flatMap(violationsOf)).toEqual([]);
  });

  test('has no row that nothing falls under', async () => {
    const files = await sourcesOf('src', 'workflows', 'activities', 'worker', 'setup', 'dev');
    const used = new Set(files.map(({ path }) => TABLE.find(({ from }) => covers(from, path))));
    expect(TABLE.filter((row) => !used.has(row))).toEqual([]);
  });
});

describe('each row can fail', () => {
  const value = (target: string) => `import { x } from '${target}';\n`;

  test.each([
    ['src/domain/email.ts', value('node:crypto')],
    ['src/domain/email.ts', value('zod')],
    ['src/domain/email.ts', value('../ledger/row.ts')],
    ['workflows/steps.ts', value('node:timers')],
    ['workflows/steps.ts', value('../activities/contract.ts')],
    ['workflows/steps.ts', `import type { x } from '../activities/cognito.ts';`],
    ['workflows/steps.ts', value('../src/config.ts')],
    ['src/db/client.ts', value('../config.ts')],
    ['src/ledger/transitions.ts', value('../routes/body.ts')],
    ['src/ledger/transitions.ts', value('postgres')],
    ['src/ledger/transitions.ts', value('@temporalio/common')],
    ['activities/relay/amqp.ts', value('@aws-sdk/client-cognito-identity-provider')],
    ['activities/relay/shift.ts', value('../../src/db/advisory-lock.ts')],
    ['activities/roles.ts', value('amqplib')],
    ['activities/roles.ts', value('undici')],
    ['activities/roles.ts', value('../workflows/messages.ts')],
    ['activities/roles.ts', value('../src/config.ts')],
    ['activities/roles.ts', value('../src/db/client.ts')],
    ['activities/roles.ts', value('@temporalio/client')],
    ['src/temporal/runs.ts', value('../../activities/contract.ts')],
    ['src/temporal/runs.ts', value('../../workflows/register-user.ts')],
    ['src/temporal/runs.ts', value('@temporalio/worker')],
    ['src/access/tokens.ts', value('../ledger/read.ts')],
    ['src/access/tokens.ts', value('@aws-sdk/client-cognito-identity-provider')],
    ['src/routes/roles.ts', value('../temporal/runs.ts')],
    ['src/routes/roles.ts', `import { type A, b } from '../temporal/runs.ts';`],
    ['src/routes/roles.ts', value('@temporalio/client')],
    ['src/routes/roles.ts', value('../../activities/cognito.ts')],
    ['src/secrets/sealing.ts', value('../domain/status.ts')],
    ['src/config.ts', value('./secrets/sealing.ts')],
    ['src/routes/roles.ts', value('../secrets/secret.ts')],
    ['src/app.ts', value('./config.ts')],
    ['src/metrics/metrics.ts', value('../ledger/backlog.ts')],
    ['src/metrics/metrics.ts', value('../../activities/cognito.ts')],
    ['src/config.ts', value('./db/client.ts')],
    ['src/environment-table.ts', value('zod')],
    ['src/problem-details.ts', value('hono')],
    ['src/changes.ts', value('./domain/status.ts')],
    ['src/server.ts', value('@temporalio/client')],
    ['src/main.ts', value('@temporalio/worker')],
    ['worker/worker.ts', value('@temporalio/client')],
    ['worker/worker.ts', value('hono')],
    ['setup/setup.ts', value('../workflows/register-user.ts')],
    ['dev/start.ts', value('drizzle-orm')],
    ['src/elsewhere/new.ts', ''],
  ])('%s: %s', (path, text) => {
    expect(violationsOf({ path, text })).toHaveLength(1);
  });

  test.each([
    ['a statement over several lines', `import {\n  type A,\n  b,\n} from 'zod';\n`],
    ['an export from elsewhere', `export { x } from 'zod';\n`],
    ['an export of everything', `export * from 'zod';\n`],
    ['an import for its effects', `import 'zod';\n`],
    ['an import at run time', `const x = await import('zod');\n`],
    ['a namespace', `import * as z from 'zod';\n`],
    ['two, of which one is fine', `import { a } from './status.ts';\nimport z from 'zod';\n`],
    ['one after a comment', `/** Words. */\nimport z from 'zod';\n`],
  ])('%s is seen', (_, text) => {
    const found = violationsOf({ path: 'src/domain/email.ts', text });
    expect(found).toEqual(['src/domain/email.ts imports zod']);
  });

  test.each([
    [`import type { A } from '../temporal/runs.ts';`],
    [`import { type A, type B } from '../temporal/runs.ts';`],
    [`import {\n  type A,\n  type B,\n} from '../temporal/runs.ts';`],
    [`export type { A } from '../temporal/runs.ts';`],
    [`// import { a } from '../temporal/runs.ts';`],
  ])('types are types: %s', (text) => {
    expect(violationsOf({ path: 'src/routes/roles.ts', text })).toEqual([]);
  });
});
