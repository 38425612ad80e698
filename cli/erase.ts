import { parseArgs } from 'node:util';
import { parseDatabaseUrl } from '../src/config/config.ts';
import { openDatabase } from '../src/db/client.ts';
import { normaliseEmail } from '../src/domain/email.ts';
import type { Registration } from '../src/domain/registration.ts';
import { eraseAddress, uncompletedOf } from '../src/ledger/erase-address.ts';
import { runMain } from '../src/run-main.ts';

const USAGE = 'usage: npm run erase -- --email a@b.c [--dry-run]';

/** What has to happen first. */
function refusal({ id, status, userId }: Registration): string {
  return status === 'completed'
    ? `The address belongs to a registered person: use DELETE /users/${userId}. Nothing was erased.`
    : `Registration ${id} of the address is ${status}: cancel it first with POST /registrations/${id}/cancel. Nothing was erased.`;
}

await runMain(async () => {
  const { values } = parseArgs({
    options: { email: { type: 'string' }, 'dry-run': { type: 'boolean', default: false } },
  });
  const email = normaliseEmail(values.email ?? '');
  if (email === null) throw new Error(`--email must be an e-mail address. ${USAGE}`);
  const dryRun = values['dry-run'];
  const pool = openDatabase(parseDatabaseUrl(process.env), 1);
  try {
    const of = await (dryRun ? uncompletedOf : eraseAddress)(pool.db, email);
    if (of.kind === 'held') throw new Error(refusal(of.holder));
    const report = { dryRun, erased: of.ids.length, registrationIds: of.ids };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await pool.close();
  }
});
