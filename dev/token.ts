import { parseArgs } from 'node:util';
import { tokenOf } from './person.ts';
import { printError, printLine, reasonOf } from './stack/progress.ts';
import { runningSandbox } from './stack/running-sandbox.ts';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { role: { type: 'string' }, email: { type: 'string' } },
  });
  const sandbox = await runningSandbox(process.env);
  const address = {
    endpoint: sandbox.COGNITO_ENDPOINT,
    userPoolId: sandbox.COGNITO_USER_POOL_ID,
    clientId: sandbox.COGNITO_CLIENT_ID,
  };
  const email = values.email ?? `${values.role ?? 'admin'}@example.com`;
  printLine(await tokenOf(address, email, values.role));
}

try {
  await main();
} catch (error) {
  printError(`token: ${reasonOf(error)}`);
  process.exitCode = 1;
}
