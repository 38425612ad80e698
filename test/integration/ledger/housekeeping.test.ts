import { afterEach, expect, vi } from 'vitest';
import { openDatabase, type DatabasePool } from '../../../src/db/client.ts';
import { startHousekeeping } from '../../../src/ledger/housekeeping.ts';
import { readSealed } from '../../../src/ledger/registrations/password.ts';
import { eventually } from '../../support/eventually.ts';
import type { Ledger } from './ledger-under-test.ts';
import { test } from '../../support/ledger-test.ts';

test.override('maxConnections', 2);

const MINUTE_MS = 60_000;
const EXPIRED_MS = 25 * 3_600_000;

let processes: DatabasePool;
const logged: object[] = [];
const log = {
  info: (fields: object) => void logged.push(fields),
  debug: (_: object, message: string) => void logged.push({ message }),
};
test.beforeEach(async ({ emptyLedger: ledger }) => {
  processes = openDatabase(ledger.database.appUrl, 2);
  logged.length = 0;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await processes.close();
});

async function expired(ledger: Ledger): Promise<string> {
  const { id } = await ledger.accepted({ sealedPassword: Buffer.from([1, 2]) });
  const at = new Date(Date.now() - EXPIRED_MS);
  await ledger.set(id, { acceptedAt: at, sealedAt: at });
  return id;
}
const isWiped = async (ledger: Ledger, id: string) =>
  (await readSealed(ledger.db, id)).sealed === null;

test('expired seals are wiped at once, and every minute until it is stopped', async ({
  emptyLedger: ledger,
}) => {
  const first = await expired(ledger);
  const housekeeping = startHousekeeping(processes.db, log);
  await eventually(() => logged.length === 1);
  expect(await isWiped(ledger, first)).toBe(true);
  const second = await expired(ledger);
  vi.advanceTimersByTime(MINUTE_MS - 1);
  expect(await isWiped(ledger, second)).toBe(false);
  vi.advanceTimersByTime(1);
  await eventually(() => logged.length === 2);
  expect(await isWiped(ledger, second)).toBe(true);
  expect(logged).toEqual([{ seals: 1 }, { seals: 1 }]);
  housekeeping.stop();
  const third = await expired(ledger);
  vi.advanceTimersByTime(10 * MINUTE_MS);
  expect(await isWiped(ledger, third)).toBe(false);
});

test('a database that refuses is asked again a minute later', async ({ emptyLedger: ledger }) => {
  const seal = await expired(ledger);
  await ledger.db.execute('REVOKE UPDATE ON registrations FROM registrar_app');
  const housekeeping = startHousekeeping(processes.db, log);
  await eventually(() => logged.length === 1);
  expect(logged).toEqual([{ message: 'wiping expired sealed passwords failed' }]);
  await ledger.db.execute('GRANT UPDATE ON registrations TO registrar_app');
  vi.advanceTimersByTime(MINUTE_MS);
  await eventually(() => isWiped(ledger, seal));
  housekeeping.stop();
});
