import { ConfigError, parseDatabaseUrl } from '../src/config.ts';
import { openDatabase } from '../src/db/client.ts';
import { verifyAuditTrail, type TrailBreak } from '../src/ledger/verify-trail.ts';

const WORDS = { changed: 'was changed', missing: 'is missing', inserted: 'was inserted' } as const;

function lineOf(broken: TrailBreak): string {
  if (broken.kind === 'broken_chain') {
    return `batch ${broken.batch}: the chain is broken: ${broken.reason}`;
  }
  const where = broken.batch === null ? 'behind every batch' : `batch ${broken.batch}`;
  return `${where}: event ${broken.eventId} ${WORDS[broken.kind]}`;
}

try {
  const pool = openDatabase(parseDatabaseUrl(process.env), 1);
  try {
    const summary = await verifyAuditTrail(pool.db, (broken) => {
      process.stdout.write(`${lineOf(broken)}\n`);
    });
    if (summary.breaks > 0) process.exitCode = 1;
    else {
      const { batches, covered, uncovered, head } = summary;
      const kept = head ? ` Head: ${head.batch}:${head.digest}` : '';
      process.stdout.write(
        `The audit trail is whole: batches ${batches}, covered events ${covered}, not covered yet ${uncovered}.${kept}\n`,
      );
    }
  } finally {
    await pool.close();
  }
} catch (error) {
  const reason = error instanceof Error ? error.message : 'unknown';
  const lines = error instanceof ConfigError ? error.lines : [`verify-audit failed: ${reason}`];
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}
