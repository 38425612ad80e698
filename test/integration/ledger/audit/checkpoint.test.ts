import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { atEdge } from '../../../../src/ledger/database-error.ts';
import { type Ledger, times } from '../ledger-under-test.ts';
import { checkpoint, checkpointAll, verify, write, writeMany } from './trail-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

/** Runs `work` while a transaction that has written an event stays open. */
async function whileOpen(
  ledger: Ledger,
  end: 'commit' | 'roll back',
  work: () => Promise<void>,
): Promise<void> {
  const rolledBack = new Error('rolled back');
  await ledger.db
    .transaction(async (tx) => {
      await write(tx);
      await work();
      if (end === 'roll back') throw rolledBack;
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw error;
    });
}

async function batches(ledger: Ledger): Promise<{ batch: number; count: number }[]> {
  return await ledger.db.execute<{ batch: number; count: number }>(
    sql`SELECT batch, count FROM audit_checkpoints ORDER BY batch`,
  );
}

describe('making checkpoints', () => {
  test('an empty trail has no checkpoint and is whole', async ({ emptyLedger: ledger }) => {
    expect(await checkpoint(ledger.db, 10)).toBe(0);
    expect(await verify(ledger.db)).toEqual({
      batches: 0,
      covered: 0,
      uncovered: 0,
      breaks: 0,
      head: null,
      known: null,
      found: [],
    });
  });

  test('every event that the ledger wrote is covered once', async ({ emptyLedger: ledger }) => {
    await ledger.at('completed');
    await ledger.at('cancelled');
    const { uncovered } = await verify(ledger.db);
    expect(uncovered).toBeGreaterThan(4);
    expect(await checkpointAll(ledger.db, 100)).toBe(uncovered);
    const before = await verify(ledger.db);
    expect(before).toMatchObject({ covered: uncovered, uncovered: 0, found: [] });
    expect(await checkpoint(ledger.db, 100)).toBe(0);
    expect(await verify(ledger.db)).toEqual(before);
  });

  test.for([1, 6, 7, 8])(
    'a transaction is split into batches of %i',
    async (limit, { emptyLedger: ledger }) => {
      await writeMany(ledger.db, 14);
      expect(await checkpointAll(ledger.db, limit)).toBe(14);
      const counts = (await batches(ledger)).map(({ count }) => count);
      expect(counts.slice(0, -1).every((count) => count === limit)).toBe(true);
      expect(counts).toHaveLength(Math.ceil(14 / limit));
      expect(await verify(ledger.db)).toMatchObject({ covered: 14, found: [] });
    },
  );

  test('five thousand events in one batch, and twelve thousand in batches of a thousand', async ({
    emptyLedger: ledger,
  }) => {
    await writeMany(ledger.db, 5000);
    expect(await checkpointAll(ledger.db, 5000)).toBe(5000);
    await writeMany(ledger.db, 12_000, 3000);
    expect(await checkpointAll(ledger.db, 1000)).toBe(12_000);
    expect(await verify(ledger.db)).toMatchObject({ batches: 13, covered: 17_000, found: [] });
  });

  test('ten processes make checkpoints at once: one chain without a gap', async ({
    emptyLedger: ledger,
  }) => {
    await writeMany(ledger.db, 60, 5);
    for (let round = 0; round < 10; round += 1) {
      await times(10, () => checkpoint(ledger.db, 3));
    }
    await checkpointAll(ledger.db, 3);
    const made = await batches(ledger);
    expect(made.map(({ batch }) => batch)).toEqual(made.map((_, index) => index + 1));
    expect(await verify(ledger.db)).toMatchObject({ covered: 60, found: [] });
  });

  test('time zone and number format of the session change nothing', async ({
    emptyLedger: ledger,
  }) => {
    await write(ledger.db);
    await checkpointAll(ledger.db, 10);
    await ledger.db.transaction(async (tx) => {
      await tx.execute(sql`SET LOCAL timezone = 'Asia/Kathmandu'`);
      await tx.execute(sql`SET LOCAL extra_float_digits = -15`);
      expect((await verify(tx)).found).toEqual([]);
    });
  });
});

describe('writers', () => {
  test('a writer with an open transaction delays younger events, and none is lost', async ({
    emptyLedger: ledger,
  }) => {
    await write(ledger.db);
    await checkpointAll(ledger.db, 10);
    await whileOpen(ledger, 'commit', async () => {
      await write(ledger.db);
      expect(await checkpoint(ledger.db, 10)).toBe(0);
      expect((await verify(ledger.db)).uncovered).toBe(1);
    });
    expect(await checkpointAll(ledger.db, 10)).toBe(2);
    expect(await verify(ledger.db)).toMatchObject({ covered: 3, found: [] });
  });

  test('a writer that rolls back delays younger events as long, and leaves nothing', async ({
    emptyLedger: ledger,
  }) => {
    await whileOpen(ledger, 'roll back', async () => {
      await write(ledger.db);
      expect(await checkpoint(ledger.db, 10)).toBe(0);
    });
    expect(await checkpointAll(ledger.db, 10)).toBe(1);
    expect((await verify(ledger.db)).found).toEqual([]);
  });

  test('a writer that takes its number first and writes last is covered with the others', async ({
    emptyLedger: ledger,
  }) => {
    await ledger.db.transaction(async (tx) => {
      await tx.execute(sql`SELECT pg_current_xact_id()`);
      await writeMany(ledger.db, 5, 1);
      expect(await checkpoint(ledger.db, 10)).toBe(0);
      await write(tx);
    });
    expect(await checkpointAll(ledger.db, 2)).toBe(6);
    expect((await verify(ledger.db)).found).toEqual([]);
  });

  test('eight writers, two checkpoint makers and a verifier at once see no false break and skip nothing', async ({
    emptyLedger: ledger,
  }) => {
    let writing = true;
    let committed = 0;
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const writer = async (index: number) => {
      for (let round = 0; round < 25; round += 1) {
        const back = new Error('back');
        const wanted = (round % 3) + 1;
        await ledger.db
          .transaction(async (tx) => {
            for (let n = 0; n < wanted; n += 1) {
              await write(tx);
              await pause((index * 7 + round * 5 + n) % 11);
            }
            // In a savepoint: of the same transaction, by another number inside PostgreSQL.
            await tx.transaction((inner) => write(inner));
            if ((index + round) % 5 === 0) throw back;
            committed += wanted + 1;
          })
          .catch((error: unknown) => {
            if (error !== back) throw error;
          });
      }
    };
    let coveredMeanwhile = 0;
    const checkpointer = async () => {
      while (writing) coveredMeanwhile += await checkpoint(ledger.db, 7);
    };
    const verifier = async () => {
      while (writing) expect((await verify(ledger.db)).found).toEqual([]);
    };
    const others = [checkpointer(), checkpointer(), verifier()];
    await times(8, writer).finally(() => {
      writing = false;
    });
    await Promise.all(others);
    expect(coveredMeanwhile).toBeGreaterThan(0);
    await checkpointAll(ledger.db, 7);
    expect(await verify(ledger.db)).toMatchObject({ covered: committed, uncovered: 0, found: [] });
  });
});

test.for([
  'UPDATE audit_checkpoints SET count = count',
  'DELETE FROM audit_checkpoints',
  'TRUNCATE audit_checkpoints',
])('the checkpoints are append-only: %s is refused', async (statement, { emptyLedger: ledger }) => {
  await write(ledger.db);
  await checkpointAll(ledger.db, 10);
  await expect(atEdge(() => ledger.db.execute(sql.raw(statement)))).rejects.toMatchObject({
    sqlstate: 'P0001',
    definitive: true,
  });
  expect((await verify(ledger.db)).batches).toBe(1);
});
