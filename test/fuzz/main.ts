// `npm run fuzz`: Schemathesis over the OpenAPI document, against a whole Registrar of its own.
// What follows `--` goes to Schemathesis: `-- --seed 42`, `-- --include-path /roles`.
import { printError, printLine, reasonOf } from '../../dev/stack/progress.ts';
import { installSchemathesis, runSchemathesis } from './schemathesis.ts';
import { startTarget } from './target.ts';

async function fuzz(args: readonly string[]): Promise<number> {
  const bin = await installSchemathesis(printLine);
  const target = await startTarget(printLine);
  try {
    const code = await runSchemathesis(bin, target, args);
    const complaints = await target.complaints();
    for (const line of complaints) printError(`the log says: ${line}`);
    return complaints.length > 0 ? 1 : code;
  } finally {
    await target.stop();
  }
}

try {
  process.exitCode = await fuzz(process.argv.slice(2));
} catch (error) {
  printError(`fuzz: ${reasonOf(error)}`);
  process.exitCode = 1;
}
