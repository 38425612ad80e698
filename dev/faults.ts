import { printError, printLine, reasonOf } from './stack/progress.ts';
import { readFaultPlan } from './read-fault-plan.ts';
import { runningSandbox } from './stack/running-sandbox.ts';

const USAGE = "usage: npm run faults -- <plan.json>, or '[]' to end all faults";
const ANSWERS_WITHIN_MS = 5000;

async function main(): Promise<void> {
  const [plan, ...more] = process.argv.slice(2);
  if (plan === undefined || more.length > 0) throw new Error(USAGE);
  const rules = await readFaultPlan(plan);
  const { COGNITO_ENDPOINT: endpoint, COGNITO_USER_POOL_ID: poolId } = await runningSandbox(
    process.env,
  );
  // The new plan takes the place of every other, also of one for the pool alone.
  await put(`${endpoint}/_sandbox/faults?pool=${encodeURIComponent(poolId)}`, []);
  await put(`${endpoint}/_sandbox/faults`, rules);
  const what = rules.length === 0 ? 'all faults removed' : `rules loaded: ${rules.length}`;
  printLine(`${endpoint}: ${what}`);
}

async function put(url: string, rules: readonly object[]): Promise<void> {
  const { origin } = new URL(url);
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rules),
    signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
  }).catch((error: unknown) => {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new Error(`the sandbox at ${origin} does not answer: ${reasonOf(cause)}`);
  });
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(
      `${origin} is not a Cognito sandbox, or it refused: HTTP ${answer.status} ${text.slice(0, 200)}`,
    );
}

try {
  await main();
} catch (error) {
  printError(`faults: ${reasonOf(error)}`);
  process.exitCode = 1;
}
