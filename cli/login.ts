import { parseArgs } from 'node:util';
import { parseSignInSettings } from '../src/config/config.ts';
import { normaliseEmail } from '../src/domain/email.ts';
import { runMain } from '../src/run-main.ts';
import { commonPasswords } from '../src/secrets/common-passwords.ts';
import { wireSignIn } from '../src/wiring.ts';
import { Prompt } from './prompt.ts';
import { signInByQuestions } from './sign-in-by-questions.ts';

const USAGE = 'usage: npm run --silent login -- --email a@b.c';

await runMain(async () => {
  const { values } = parseArgs({ options: { email: { type: 'string' } } });
  const email = normaliseEmail(values.email ?? '');
  if (email === null) throw new Error(`--email must be an e-mail address. ${USAGE}`);
  const settings = parseSignInSettings(process.env);
  const parts = wireSignIn(settings, commonPasswords());
  const prompt = new Prompt();
  try {
    process.stdout.write(`${await signInByQuestions(parts, prompt, email)}\n`);
  } finally {
    prompt.close();
    parts.close();
  }
});
