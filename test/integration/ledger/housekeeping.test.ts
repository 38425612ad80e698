import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openDatabase, type DatabasePool } from '../../../src/db/client.ts';
import { startHousekeeping } from '../../../src/ledger/housekeeping.ts';
import { readSealed } from '../../../src/ledger/registrations/password.ts';
import { eventually } from '../../support/eventually.ts';
import { Ledger } from './ledger-under-test.ts';

const MINUTE_MS = 60_000;
const EXPIRED_MS = 25 * 3_600_000;

let ledger: Ledger;
let processes: DatabasePool;
const logged: object[] = [];
const log = {
  info: (fields: object) => void logged.push(fields),
  debug: (_: object, message: string) => void logged.push({ message }),
};
beforeEach(async () => {
  ledger = await Ledger.start(2);
  processes = openDatabase(ledger.database.appUrl, 2);
  logged.length = 0;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await processes.close();
  await ledger.stop();
});

async function expired(): Promise<string> {
  const { id } = await ledger.accepted({ sealedPassword: Buffer.from([1, 2]) });
  await ledger.set(id, { sealedAt: new Date(Date.now() - EXPIRED_MS) });
  return id;
}
const isWiped = async (id: string) => (await readSealed(ledger.db, id)).sealed === null;

test('expired seals are wiped at once, and every minute until it is stopped', async () => {
  const first = await expired();
  const housekeeping = startHousekeeping(processes.db, log);
  await eventually(() => logged.length === 1);
  expect(await isWiped(first)).toBe(true);
  const second = await expired();
  vi.advanceTimersByTime(MINUTE_MS - 1);
  expect(await isWiped(second)).toBe(false);
  vi.advanceTimersByTime(1);
  await eventually(() => logged.length === 2);
  expect(await isWiped(second)).toBe(true);
  expect(logged).toEqual([{ seals: 1 }, { seals: 1 }]);
  housekeeping.stop();
  const third = await expired();
  vi.advanceTimersByTime(10 * MINUTE_MS);
  expect(await isWiped(third)).toBe(false);
});

test('a database that refuses is asked again a minute later', async () => {
  const seal = await expired();
  await ledger.db.execute('REVOKE UPDATE ON registrations FROM registrar_app');
  const housekeeping = startHousekeeping(processes.db, log);
  await eventually(() => logged.length === 1);
  expect(logged).toEqual([{ message: 'wiping expired sealed passwords failed' }]);
  await ledger.db.execute('GRANT UPDATE ON registrations TO registrar_app');
  vi.advanceTimersByTime(MINUTE_MS);
  await eventually(() => isWiped(seal));
  housekeeping.stop();
});
