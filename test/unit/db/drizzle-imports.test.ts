import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../../support/program.ts';

/** Prints which imports of drizzle's Node still resolves itself, and where its entries lead. */
const PROGRAM = `
import { registerHooks } from 'node:module';
const resolved = [];
registerHooks({
  resolve(specifier, context, next) {
    const isOfDrizzle = specifier.startsWith('drizzle-orm') || context.parentURL?.includes('/drizzle-orm/');
    if (isOfDrizzle && !specifier.startsWith('node:')) resolved.push(specifier);
    return next(specifier, context);
  },
});
const plain = import.meta.resolve('drizzle-orm/pg-core');
(await import('./src/db/drizzle-imports.ts')).speedUpDrizzle();
resolved.length = 0;
const { isTable } = await import('drizzle-orm');
const { registrations } = await import('./src/db/schema.ts');
await import('./src/db/client.ts');
await import('./src/db/migrate.ts');
const same = plain === import.meta.resolve('drizzle-orm/pg-core');
console.log(JSON.stringify({ resolved, same, isTable: isTable(registrations) }));
`;

test('Node resolves each entry of drizzle once, and no import between its modules', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', PROGRAM],
    { cwd: REPOSITORY },
  );
  const { resolved, same, isTable } = JSON.parse(stdout) as {
    resolved: string[];
    same: boolean;
    isTable: boolean;
  };
  expect({ same, isTable }).toEqual({ same: true, isTable: true });
  expect(resolved.toSorted()).toEqual([
    'drizzle-orm',
    'drizzle-orm/migrator',
    'drizzle-orm/pg-core',
    'drizzle-orm/postgres-js',
    'drizzle-orm/postgres-js/migrator',
    'postgres',
  ]);
});
