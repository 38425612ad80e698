import { parseArgs } from 'node:util';
import { ConfigError } from '../src/config/config.ts';
import { type Registrar, type Running, startLocal } from './local.ts';
import { printError, printLine, reasonOf } from './stack/progress.ts';

// It takes a second to load, and the parts start meanwhile.
const loading = import('./registrar.ts').then(({ registrar }) => registrar);
const registrar: Registrar = {
  migrate: async (databaseUrl) => (await loading).migrate(databaseUrl),
  setUp: async (...given) => (await loading).setUp(...given),
  serve: async (...given) => (await loading).serve(...given),
};
let running: Running | undefined;
let stoppingSince: number | undefined;
/** A terminal's Ctrl-C comes twice, from the terminal and from npm: that is no second thought. */
const SAME_SIGNAL_MS = 500;

// Children are in process groups of their own: a Ctrl-C reaches only us, and we drain the
// API before they end. Whatever way this process ends, they end with it.
function onSignal(): void {
  if (stoppingSince !== undefined && Date.now() - stoppingSince < SAME_SIGNAL_MS) return;
  if (stoppingSince !== undefined || running === undefined) {
    running?.kill();
    process.exit(130);
  }
  stoppingSince = Date.now();
  printLine('\nStopping. Press Ctrl-C again to stop at once.');
  running.stop().then(
    () => process.exit(0),
    (error: unknown) => {
      printError(`start: ${reasonOf(error)}`);
      running?.kill();
      process.exit(1);
    },
  );
}

/** The first reason counts: what follows from it would be a second line. */
function onFailed(reason: unknown): void {
  if (stoppingSince !== undefined) return;
  stoppingSince = Date.now();
  printError(`start: ${reasonOf(reason)}`);
  const end = (): void => {
    running?.kill();
    process.exit(1);
  };
  running?.stopParts().then(end, end);
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);
process.on('SIGHUP', onSignal);

try {
  const { values } = parseArgs({
    options: {
      yes: { type: 'boolean', default: false },
      faults: { type: 'string' },
      'with-profile-service': { type: 'boolean', default: false },
    },
  });
  const summary = await startLocal(
    {
      env: process.env,
      yes: values.yes,
      faults: values.faults,
      withProfileService: values['with-profile-service'],
      log: printLine,
      onStarted: (started) => {
        running = started;
      },
      onFailed,
    },
    registrar,
  );
  printLine(summary);
} catch (error) {
  const lines = error instanceof ConfigError ? error.lines : [reasonOf(error)];
  for (const line of lines) printError(`start: ${line}`);
  process.exit(1);
}
