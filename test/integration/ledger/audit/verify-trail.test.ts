import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { digestOfCheckpoint } from '../../../../src/ledger/audit/checkpoint-digest.ts';
import { auditCheckpoints } from '../../../../src/db/schema.ts';
import { Ledger } from '../ledger-under-test.ts';
import { afterTampering, checkpointAll, verify, write, writeMany } from './trail-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

interface TrailEvent extends Record<string, unknown> {
  readonly id: string;
  readonly tx: string;
  readonly seq: string;
}

/** In the order of the checkpoints: batches of 4, 4 and 2; each transaction wrote two. */
let events: TrailEvent[];
test.beforeAll(async ({ ledger }) => {
  await writeMany(ledger.db, 10, 2);
  await checkpointAll(ledger.db, 4);
  events = await ledger.db.execute<TrailEvent>(
    sql`SELECT id::text, tx_id::text AS tx, seq::text FROM audit_events
      ORDER BY audit_events.tx_id, audit_events.seq`,
  );
  const { found, batches } = await verify(ledger.db);
  expect([found, batches]).toEqual([[], 3]);
});

const event = (index: number): TrailEvent => {
  const found = events[index];
  if (!found) throw new Error(`no event ${index}`);
  return found;
};
const NEW_ID = randomUUID();
const inserting = (txId: string, seq: string) => `INSERT INTO audit_events
  (id, seq, event, registration_id, actor, tx_id) OVERRIDING SYSTEM VALUE
  VALUES ('${NEW_ID}', ${seq}, 'user.registered', '${randomUUID()}', 'mallory', '${txId}')`;
const broken = (batch: number, reason: string) => ({ kind: 'broken_chain', batch, reason });

describe('an event', () => {
  test.for([
    `actor = 'mallory'`,
    `event = 'user.registered'`,
    `user_id = ''`,
    `registration_id = NULL`,
    `registration_id = gen_random_uuid()`,
    `at = at + interval '1 millisecond'`,
    `key = 'x'`,
    `details = '{"roles": ["admin"]}'`,
    `details = '{"number": 1.0}'`,
    `tx_id = '3'`,
    `tx_id = '9223372036854775807'`,
  ])('changed: %s', async (change, { ledger }) => {
    const { id } = event(5);
    const { found } = await afterTampering(
      ledger.db,
      `UPDATE audit_events SET ${change} WHERE id = '${id}'`,
    );
    // One that was given another transaction also turns up where that one lies.
    const here = found.filter(({ kind }) => kind !== 'inserted');
    expect(here).toEqual([{ kind: 'changed', batch: 2, eventId: id }]);
    expect(found).toHaveLength(change.startsWith('tx_id') ? 2 : 1);
  });

  test('every one changed', async ({ ledger }) => {
    const { found, breaks } = await afterTampering(
      ledger.db,
      `UPDATE audit_events SET actor = 'mallory'`,
    );
    const batchOf = (index: number) => Math.floor(index / 4) + 1;
    expect(found).toEqual(
      events.map(({ id }, index) => ({ kind: 'changed', batch: batchOf(index), eventId: id })),
    );
    expect(breaks).toBe(10);
  });

  test.for([0, 3, 4, 6, 9])('missing: number %i', async (index, { ledger }) => {
    const { id } = event(index);
    const { found } = await afterTampering(
      ledger.db,
      `DELETE FROM audit_events WHERE id = '${id}'`,
    );
    expect(found).toEqual([{ kind: 'missing', batch: Math.floor(index / 4) + 1, eventId: id }]);
  });

  test('all missing', async ({ ledger }) => {
    const { found } = await afterTampering(ledger.db, 'DELETE FROM audit_events');
    expect(found.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'missing'));
  });

  test('replaced by another in its very place', async ({ ledger }) => {
    const { id, tx, seq } = event(5);
    const { found } = await afterTampering(
      ledger.db,
      `DELETE FROM audit_events WHERE id = '${id}'`,
      inserting(tx, seq),
    );
    expect(found).toEqual([
      { kind: 'missing', batch: 2, eventId: id },
      { kind: 'inserted', batch: 2, eventId: NEW_ID },
    ]);
  });

  test.for([
    ['before everything', () => ['3', '-9000'] as const, 1],
    ['in the middle', () => [event(5).tx, event(5).seq] as const, 2],
    ['in the middle, by a smaller number', () => [event(6).tx, '-1'] as const, 2],
    ['at the end of a batch', () => [event(7).tx, event(7).seq] as const, 2],
    ['behind the end of a batch', () => [event(7).tx, '1000'] as const, 3],
    ['behind the end of the last', () => [event(9).tx, '1000'] as const, 3],
    ['with the number of no transaction yet', () => ['900000000', '1000'] as const, null],
  ] as const)('inserted %s', async ([, place, batch], { ledger }) => {
    const { found } = await afterTampering(ledger.db, inserting(...place()));
    expect(found).toEqual([{ kind: 'inserted', batch, eventId: NEW_ID }]);
  });

  test('moved to another batch: changed there, inserted here', async ({ ledger }) => {
    const [from, to] = [event(1), event(5)];
    const { found } = await afterTampering(
      ledger.db,
      `UPDATE audit_events SET tx_id = '${to.tx}' WHERE id = '${from.id}'`,
    );
    expect(found).toContainEqual({ kind: 'changed', batch: 1, eventId: from.id });
    expect(found).toContainEqual({ kind: 'inserted', batch: 2, eventId: from.id });
  });
});

describe('a checkpoint', () => {
  test.for([
    `count = 3`,
    `after_seq = 0`,
    `through_seq = through_seq + 1`,
    `through_tx = '900000000'`,
    `made_at = made_at - interval '1 day'`,
    `entries = substring(entries FROM 1 FOR 96)`,
    `entries = ''`,
  ])('changed: %s', async (change, { ledger }) => {
    const { found } = await afterTampering(
      ledger.db,
      `UPDATE audit_checkpoints SET ${change} WHERE batch = 2`,
    );
    expect(found).toContainEqual(broken(2, 'the checkpoint itself was changed'));
    expect(found.every(({ kind }) => kind === 'broken_chain')).toBe(true);
  });

  test('its digest changed: it, and the one that continues it', async ({ ledger }) => {
    const { found } = await afterTampering(
      ledger.db,
      `UPDATE audit_checkpoints SET digest = repeat('a', 64) WHERE batch = 2`,
    );
    expect(found).toEqual([
      broken(2, 'the checkpoint itself was changed'),
      broken(3, 'it does not continue batch 2'),
    ]);
  });

  test('made anew around a deleted event: the next one does not continue it', async ({
    ledger,
  }) => {
    const [, second] = await ledger.db
      .select()
      .from(auditCheckpoints)
      .orderBy(auditCheckpoints.batch);
    if (!second) throw new Error('no second checkpoint');
    const entries = second.entries.slice(48);
    const forged = digestOfCheckpoint({ ...second, count: 3, entries });
    const { found } = await afterTampering(
      ledger.db,
      `DELETE FROM audit_events WHERE id = '${event(4).id}'`,
      `UPDATE audit_checkpoints SET count = 3, digest = '${forged}',
        entries = '\\x${Buffer.from(entries).toString('hex')}' WHERE batch = 2`,
    );
    expect(found).toEqual([broken(3, 'it does not continue batch 2')]);
  });

  test('changed together with an event: both are named', async ({ ledger }) => {
    const { found } = await afterTampering(
      ledger.db,
      `UPDATE audit_events SET actor = 'mallory' WHERE id = '${event(4).id}'`,
      `UPDATE audit_checkpoints SET made_at = now() WHERE batch = 2`,
    );
    expect(found).toEqual([
      broken(2, 'the checkpoint itself was changed'),
      { kind: 'changed', batch: 2, eventId: event(4).id },
    ]);
  });

  test.for([
    ['batch = 1', broken(2, 'checkpoint 1 is missing')],
    ['batch = 2', broken(3, 'checkpoint 2 is missing')],
    ['batch < 3', broken(3, 'checkpoints 1 to 2 are missing')],
    ['batch = 3', broken(3, 'checkpoint 3 is missing')],
    ['batch > 1', broken(2, 'checkpoints 2 to 3 are missing')],
    ['true', broken(1, 'checkpoints 1 to 3 are missing')],
  ] as const)('removed: %s', async ([which, said], { ledger }) => {
    const { found } = await afterTampering(
      ledger.db,
      `DELETE FROM audit_checkpoints WHERE ${which}`,
    );
    expect(found).toEqual([said]);
  });

  test.for([0, -7])('inserted as number %i', async (number, { ledger }) => {
    const { found } = await afterTampering(
      ledger.db,
      `INSERT INTO audit_checkpoints SELECT ${number}, count, after_tx, after_seq, through_tx, through_seq,
        entries, made_at, previous_digest, digest FROM audit_checkpoints WHERE batch = 2`,
    );
    expect(found).toContainEqual(broken(number, 'its number is invalid'));
  });
});

describe('npm run verify-audit', () => {
  const run = async (databaseUrl?: string, ...args: string[]) => {
    const env = { PATH: process.env['PATH'], ...(databaseUrl && { DATABASE_URL: databaseUrl }) };
    const script = ['run.mjs', 'cli/verify-audit.ts', ...args];
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, script, { env });
      return { code: 0, stdout, stderr };
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
  };

  test('a whole trail: a summary, the head and 0; a broken one: a line for each break and 1', async ({
    emptyLedger: own,
  }) => {
    await writeMany(own.db, 5, 1);
    await checkpointAll(own.db, 2);
    await write(own.db);
    const { head } = await verify(own.db);
    expect(await run(own.url)).toEqual({
      code: 0,
      stdout: `The audit trail is intact. Checkpoints: 3, events covered: 5, not covered yet: 1. Head: ${head?.digest} (batch 3).\n`,
      stderr: '',
    });
    await own.db.execute(sql`ALTER TABLE audit_events DISABLE TRIGGER USER`);
    await own.db.execute(sql`ALTER TABLE audit_checkpoints DISABLE TRIGGER USER`);
    await own.db.execute(sql`UPDATE audit_events SET actor = 'mallory' WHERE seq = 1`);
    await own.db.execute(sql`DELETE FROM audit_checkpoints WHERE batch = 3`);
    const [first] = await own.db.execute(sql`SELECT id FROM audit_events WHERE seq = 1`);
    const lines = [
      `batch 1: event ${String(first?.['id'])} was changed`,
      'batch 3: the chain is broken: checkpoint 3 is missing',
    ];
    expect(await run(own.url)).toMatchObject({ code: 1, stdout: `${lines.join('\n')}\n` });
    // The next making checkpoints does not close the gap.
    await checkpointAll(own.db, 10);
    expect((await verify(own.db)).found).toContainEqual(broken(4, 'checkpoint 3 is missing'));
  });

  /** What the owner of the tables can do: no trigger, no privilege stops it. */
  const asOwner = async (own: Ledger, ...statements: string[]): Promise<void> => {
    for (const table of ['audit_events', 'audit_checkpoints']) {
      await own.db.execute(sql.raw(`ALTER TABLE ${table} DISABLE TRIGGER USER`));
    }
    for (const statement of statements) await own.db.execute(sql.raw(statement));
  };

  test('--head names a checkpoint of the chain: 0, also when newer ones follow it', async ({
    emptyLedger: own,
  }) => {
    await writeMany(own.db, 4, 1);
    await checkpointAll(own.db, 2);
    const digest = (await verify(own.db)).head?.digest ?? '';
    await write(own.db);
    await checkpointAll(own.db, 2);
    const said = `The checkpoint with the digest of --head is in the chain as batch 2. All later batches are intact too.\n`;
    for (const head of [digest, digest.toUpperCase()]) {
      const { code, stdout } = await run(own.url, '--head', head);
      expect([code, stdout.slice(stdout.indexOf('\n') + 1)]).toEqual([0, said]);
    }
    await asOwner(own, `UPDATE audit_events SET actor = 'mallory' WHERE seq = 5`);
    const after = await run(own.url, '--head', digest);
    expect(after).toMatchObject({ code: 1, stdout: expect.stringMatching(/as batch 2\.\n$/) });
  });

  test.for([
    [
      'rewritten',
      `UPDATE audit_events SET actor = 'mallory' WHERE seq = 1`,
      'DELETE FROM audit_checkpoints',
      `SELECT setval('audit_checkpoints_made', 1, false)`,
    ],
    [
      'cut off',
      'DELETE FROM audit_events WHERE seq > 2',
      'DELETE FROM audit_checkpoints WHERE batch > 1',
      `SELECT setval('audit_checkpoints_made', 1)`,
    ],
  ])(
    'a chain that its owner has %s looks intact, but --head is not found: 2',
    async ([, ...how], { emptyLedger: own }) => {
      await writeMany(own.db, 4, 1);
      await checkpointAll(own.db, 2);
      const digest = (await verify(own.db)).head?.digest ?? '';
      await asOwner(own, ...how);
      await write(own.db);
      await checkpointAll(own.db, 2);
      expect((await run(own.url)).code).toBe(0);
      const { code, stdout } = await run(own.url, '--head', digest);
      expect(code).toBe(2);
      expect(stdout).toContain(`No checkpoint has the digest ${digest}`);
    },
  );

  test('the digest of --head written into a checkpoint of the owner’s does not count as found', async ({
    emptyLedger: own,
  }) => {
    const forged = 'a'.repeat(64);
    await write(own.db);
    await checkpointAll(own.db, 2);
    await asOwner(own, `UPDATE audit_checkpoints SET digest = '${forged}'`);
    expect((await run(own.url, '--head', forged)).code).toBe(2);
  });

  test('--head that is no digest: one line and 1', async ({ ledger }) => {
    expect(await run(ledger.url, '--head', '3:abc')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: '--head is not a digest of 64 hexadecimal digits\n',
    });
  });

  test('without a database: one line and 1', async () => {
    expect(await run()).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^DATABASE_URL: missing.*\n$/),
    });
  });
});
