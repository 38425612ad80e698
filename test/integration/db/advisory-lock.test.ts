import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { LOCKS, tryAdvisoryLock } from '../../../src/db/advisory-lock.ts';
import { eventually } from '../../support/eventually.ts';
import { checkpoint, write } from '../ledger/audit/trail-under-test.ts';
import { test } from '../../support/ledger-test.ts';

test('a checkpoint is made while a relay holds its lock', async ({ ledger }) => {
  const relay = await tryAdvisoryLock(ledger.url, LOCKS.relay);
  expect(relay).not.toBeNull();
  await write(ledger.db);
  // Transactions of other tests on this server may delay it.
  await eventually(async () => (await checkpoint(ledger.db, 10)) === 1);
  await relay?.release();
});

test('every lock has a number of its own', () => {
  expect(new Set(Object.values(LOCKS)).size).toBe(Object.keys(LOCKS).length);
});

/** The way to PostgreSQL of a machine that goes dark: no socket is ever closed. */
async function wayTo(url: string) {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const near = new URL(url);
  near.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: near.href,
    goDark: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('a lock holder whose connection dies learns it, and another process gets the lock', async ({
  ledger,
}) => {
  const way = await wayTo(ledger.url);
  const held = await tryAdvisoryLock(way.url, LOCKS.relay);
  way.goDark();
  await eventually(async () => {
    const locks = await ledger.db.execute(sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'
      AND objid = ${LOCKS.relay}
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
    return locks.length === 0;
  }, 30_000);
  expect(held?.lost.aborted).toBe(true);
  const next = await tryAdvisoryLock(ledger.url, LOCKS.relay);
  expect(next).not.toBeNull();
  await Promise.all([held?.release(), next?.release()]);
  way.close();
}, 40_000);
