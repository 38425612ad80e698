import { parseArgs } from 'node:util';
import { parseConfig } from '../../src/config/config.ts';
import { normaliseEmail } from '../../src/domain/email.ts';
import { runSetup } from './setup.ts';
import { runMain } from '../../src/run-main.ts';

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      'skip-cognito': { type: 'boolean', default: false },
      admin: { type: 'string' },
    },
  });
  const admin = values.admin === undefined ? null : normaliseEmail(values.admin);
  if (values.admin !== undefined && admin === null) {
    throw new Error(`--admin: "${values.admin}" is not an e-mail address`);
  }
  const config = parseConfig(process.env, 'setup');
  const skipCognito = values['skip-cognito'];
  const options = { check: values.check, skipCognito, admin, print };
  const { missing, unsafe } = await runSetup(config, options);
  // A check without findings prints nothing, which suits scripts. Advice alone is not a failure.
  if (!values.check) print(missing === 0 ? 'Nothing was missing.' : 'Done.');
  else if (missing + unsafe > 0) process.exitCode = 1;
});
