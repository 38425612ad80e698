import { DefaultLogger, Runtime } from '@temporalio/worker';
import { expect } from 'vitest';
import { guardDriver } from '../src/db/driver-guard.ts';
import { speedUpDrizzle } from '../src/db/drizzle-imports.ts';

// As run.mjs does for every process.
guardDriver();
speedUpDrizzle();

// Worker states in between the results would hide them.
Runtime.install({ logger: new DefaultLogger('ERROR') });

const isReadAt = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'monotonicMs' in value && 'database' in value;

// When a row was read is no part of what it says.
expect.addEqualityTesters([(a, b) => (isReadAt(a) && isReadAt(b) ? true : undefined)]);
