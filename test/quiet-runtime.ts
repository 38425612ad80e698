import { DefaultLogger, Runtime } from '@temporalio/worker';
import { guardDriver } from '../src/db/driver-guard.ts';

// As run.mjs does for every process.
guardDriver();

// Worker states in between the results would hide them.
Runtime.install({ logger: new DefaultLogger('ERROR') });
