import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  arrowsOf,
  cruiseImports,
  importPicture,
  PRODUCT_FOLDERS,
} from '../../../dev/import-picture.ts';
import { between } from '../../../dev/reference.ts';
import { readSource, ROOT } from './source.ts';

const result = await cruiseImports(ROOT);
const copies: string[] = [];
afterAll(async () => {
  for (const copy of copies) await rm(copy, { recursive: true, force: true });
});

test('no product file breaks the import rules, and every one is checked', () => {
  expect(result.modules.filter(({ source }) => source.startsWith('src/')).length).toBeGreaterThan(
    100,
  );
  expect(
    result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
  ).toEqual([]);
});

test('the imports between folders form no circle', () => {
  const arrows = arrowsOf(result);
  expect(arrows.length).toBeGreaterThan(20);
  const reached = (from: string, seen = new Set<string>()): Set<string> => {
    for (const [a, b] of arrows) {
      if (a === from && !seen.has(b)) reached(b, seen.add(b));
    }
    return seen;
  };
  expect(arrows.filter(([from, to]) => reached(to).has(from))).toEqual([]);
});

test('docs/architecture.md shows the picture of the imports as they are', async () => {
  const { text } = await readSource('docs/architecture.md');
  expect(between(text, 'imports'), 'run: node run.mjs dev/reference.ts --write').toBe(
    importPicture(arrowsOf(result)),
  );
});

/** A planted import, and the rule that has to name it. */
const PLANTED: readonly (readonly [path: string, text: string, rule: string])[] = [
  ['src/domain/a.ts', "import 'node:crypto';", 'the domain is pure'],
  ['src/domain/b.ts', "import { z } from 'zod';\nexport const b = z;", 'the domain is pure'],
  ['src/domain/c.ts', "import '../ledger/quota.ts';", 'layer 7: src/domain'],
  ['src/domain/d.ts', "export type { Config } from '../config/config.ts';", 'layer 7: src/domain'],
  ['src/domain/e.ts', "export const e = await import('../db/client.ts');", 'layer 7: src/domain'],
  ['workflows/a.ts', "import 'node:timers';", 'workflows are deterministic'],
  ['workflows/b.ts', "import '../activities/quota.ts';", 'layer 3: workflows'],
  [
    'workflows/c.ts',
    "import '../activities/contract.ts';",
    'workflows see the types of activities only',
  ],
  ['activities/a.ts', "import '../workflows/register-user.ts';", 'layer 3: activities'],
  ['activities/b.ts', "import '../src/config/config.ts';", 'activities do not read configuration'],
  ['activities/c.ts', "import '../src/db/client.ts';", 'queries live in the ledger'],
  ['activities/d.ts', "import '@temporalio/client';", 'package: @temporalio/client'],
  [
    'activities/registration/a.ts',
    "import 'amqplib';",
    'package: amqplib, undici, standardwebhooks',
  ],
  [
    'activities/relay/a.ts',
    "import '@aws-sdk/client-cognito-identity-provider';",
    'package: @aws-sdk',
  ],
  ['src/http/a.ts', "import '../cognito/adapter.ts';", 'handlers reach Cognito through ports'],
  ['src/http/b.ts', "import '../temporal/runs.ts';", 'handlers reach Cognito through ports'],
  ['src/http/c.ts', "import '@aws-sdk/client-cognito-identity-provider';", 'package: @aws-sdk'],
  ['src/http/d.ts', "import '../wiring.ts';", 'layer 3: src/http'],
  ['src/ledger/a.ts', "import '../http/request/body.ts';", 'layer 4: src/ledger'],
  ['src/ledger/b.ts', "import 'postgres';", 'package: postgres'],
  ['src/ledger/c.ts', "import '../telemetry/log.ts';", 'layer 4: src/ledger'],
  ['src/secrets/a.ts', "import '../db/client.ts';", 'layer 5: src/secrets'],
  ['src/config/a.ts', "import 'zod';", 'package: zod'],
  ['src/telemetry/a.ts', "import '../../test/global-setup.ts';", 'layer 4: src/telemetry'],
  ['src/temporal/a.ts', "import '../../workflows/register-user.ts';", 'layer 4: src/temporal'],
  ['worker/a.ts', "import 'hono';", 'package: hono, @hono, swagger-ui-dist'],
  ['worker/b.ts', "import { d } from './d.ts';\nexport const b = d;", 'no circles'],
  ['worker/d.ts', "import { b } from './b.ts';\nexport const d = b;", 'no circles'],
  ['cli/b.ts', "import '../dev/commands.ts';", 'production does not need dev'],
  ['dev/a.ts', "import 'drizzle-orm';", 'package: drizzle-orm'],
  ['cli/status.ts', "import '../src/wiring.ts';", 'npm run status starts at once'],
  ['cli/a.ts', "import './nowhere.ts';", 'every import can be resolved'],
];

test('each planted import breaks the rule that forbids it', async () => {
  const copy = await mkdtemp(join(tmpdir(), 'registrar-imports-'));
  copies.push(copy);
  for (const folder of [...PRODUCT_FOLDERS, 'package.json']) {
    await cp(join(ROOT, folder), join(copy, folder), { recursive: true });
  }
  await mkdir(join(copy, 'test'));
  await cp(join(ROOT, 'test/global-setup.ts'), join(copy, 'test/global-setup.ts'));
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  for (const [path, text] of PLANTED) {
    await mkdir(dirname(join(copy, path)), { recursive: true });
    await writeFile(join(copy, path), `${text}\n`);
  }
  const { summary } = await cruiseImports(copy);
  const broken = new Set(
    // A circle is reported for one of its files.
    summary.violations.flatMap(({ rule, from, cycle }) =>
      [from, ...(cycle ?? []).map(({ name }) => name)].map((path) => `${path}: ${rule.name}`),
    ),
  );
  expect(PLANTED.map(([path, , rule]) => `${path}: ${rule}`).filter((x) => !broken.has(x))).toEqual(
    [],
  );
});
