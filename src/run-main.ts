import { outcomeOf } from './cognito/classify.ts';
import { ProviderError, toProviderError } from './cognito/provider-error.ts';
import { ConfigError, parseTemporalSettings } from './config/config.ts';
import { DatabaseError } from './ledger/database-error.ts';
import { temporalReason } from './temporal/connection.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Runs the main function of a process or command. When it throws: plain lines on stderr that name the
 * dependency and its address, and exit code 1 at once, whatever a connection is still trying.
 */
export async function runMain(main: () => void | Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${errorLines(error, process.env).join('\n')}\n`);
    process.exit(1);
  }
}

/** Ends a process once on SIGTERM or SIGINT. @param name how log lines name it: "API", "worker" */
export function drainOnSignal(
  name: string,
  log: { info(fields: object, message: string): void },
  close: () => Promise<void>,
): void {
  let draining = false;
  const drain = (signal: string): void => {
    if (draining) return;
    draining = true;
    log.info({ signal }, `${name} is draining`);
    close().then(
      () => log.info({}, `${name} stopped`),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', drain);
  process.on('SIGINT', drain);
}

function errorLines(error: unknown, env: Environment): readonly string[] {
  if (error instanceof ConfigError) return error.lines;
  if (error instanceof DatabaseError) return [`PostgreSQL at ${databaseOf(env)} ${said(error)}`];
  const temporal = temporalReason(error);
  if (temporal !== undefined) {
    return [`Temporal at ${parseTemporalSettings(env).address} answered: ${temporal}`];
  }
  if (error instanceof ProviderError || (error instanceof Error && '$metadata' in error)) {
    return [`Cognito at ${cognitoOf(env)} ${cognitoSaid(error)}`];
  }
  const message = error instanceof Error ? error.message : '';
  return [message || 'The command failed for an unknown reason.'];
}

function said({ sqlstate }: DatabaseError): string {
  // Codes of sockets and of the driver are words.
  const isState = /^(?:[0-9]|F0|HV|P0|XX)[0-9A-Z]+$/.test(sqlstate);
  return isState ? `refuses with SQLSTATE ${sqlstate}` : `does not answer: ${sqlstate}`;
}

function cognitoSaid(thrown: Error): string {
  const error = thrown instanceof ProviderError ? thrown : toProviderError(thrown);
  if (error.httpStatus === null && ['no_reply', 'server_error'].includes(outcomeOf(error))) {
    return `does not answer: ${error.name}`;
  }
  const text = thrown === error ? '' : `: ${thrown.message.split('\n', 1)[0]}`;
  return `refuses with ${error.name}${text}`;
}

/** Without user and password. */
function databaseOf({ DATABASE_URL }: Environment): string {
  const url = URL.parse(DATABASE_URL ?? '');
  return url === null ? 'DATABASE_URL' : `${url.host}${url.pathname}`;
}

function cognitoOf({ COGNITO_ENDPOINT, AWS_REGION }: Environment): string {
  return COGNITO_ENDPOINT || AWS_REGION || 'an unknown region';
}
