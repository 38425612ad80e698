import { Ledger } from '../integration/ledger/ledger-under-test.ts';
import { test as base } from './base-test.ts';

/** With `ledger`, on the file's database, and `emptyLedger`, on a new database for each test. */
export const test = base
  .extend('maxConnections', { scope: 'file' }, 20 as number)
  .extend('ledger', { scope: 'file' }, async ({ database, maxConnections }, { onCleanup }) => {
    const ledger = await Ledger.on(database, maxConnections);
    onCleanup(() => ledger.stop());
    return ledger;
  })
  .extend('emptyLedger', async ({ maxConnections }, { onCleanup }) => {
    const ledger = await Ledger.start(maxConnections);
    onCleanup(() => ledger.stop());
    return ledger;
  });
