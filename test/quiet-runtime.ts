import { DefaultLogger, Runtime } from '@temporalio/worker';

// Worker states in between the results would hide them.
Runtime.install({ logger: new DefaultLogger('ERROR') });
