import { parseArgs } from 'node:util';
import { parseDatabaseUrl } from '../src/config/config.ts';
import { openDatabase } from '../src/db/client.ts';
import {
  verifyAuditTrail,
  type TrailBreak,
  type TrailSummary,
} from '../src/ledger/audit/verify-trail.ts';
import { runMain } from '../src/run-main.ts';

const WORDS = { changed: 'was changed', missing: 'is missing', inserted: 'was inserted' } as const;
const BROKEN = 1;
/** Exit code: the chain does not contain the digest of `--head`. */
const HEAD_NOT_FOUND = 2;

function lineOf(broken: TrailBreak): string {
  if (broken.kind === 'broken_chain') {
    return `batch ${broken.batch}: the chain is broken: ${broken.reason}`;
  }
  const where = broken.batch === null ? 'after the last batch' : `batch ${broken.batch}`;
  return `${where}: event ${broken.eventId} ${WORDS[broken.kind]}`;
}

function headOf(args: { readonly head?: string | undefined }): string | null {
  if (args.head === undefined) return null;
  const digest = args.head.trim().toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digest)) {
    throw new Error('--head is not a digest of 64 hexadecimal digits');
  }
  return digest;
}

function summaryOf({ batches, covered, uncovered, head }: TrailSummary): string {
  const newest = head ? ` Head: ${head.digest} (batch ${head.batch}).` : '';
  return `The audit trail is intact. Checkpoints: ${batches}, events covered: ${covered}, not covered yet: ${uncovered}.${newest}`;
}

function aboutHead(digest: string, { known, breaks }: TrailSummary): string {
  if (known === null) {
    return `No checkpoint has the digest ${digest}: the chain was rewritten or truncated, or this is another database.`;
  }
  const after = breaks === 0 ? ' All later batches are intact too.' : '';
  return `The checkpoint with the digest of --head is in the chain as batch ${known}.${after}`;
}

await runMain(async () => {
  const digest = headOf(parseArgs({ options: { head: { type: 'string' } } }).values);
  const pool = openDatabase(parseDatabaseUrl(process.env), 1);
  const say = (line: string) => process.stdout.write(`${line}\n`);
  try {
    const summary = await verifyAuditTrail(pool.db, (broken) => say(lineOf(broken)), digest);
    if (summary.breaks > 0) process.exitCode = BROKEN;
    else say(summaryOf(summary));
    if (digest !== null) say(aboutHead(digest, summary));
    if (digest !== null && summary.known === null) process.exitCode = HEAD_NOT_FOUND;
  } finally {
    await pool.close();
  }
});
