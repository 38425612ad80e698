import { test as base } from './ledger-test.ts';
import { Relays } from './relays.ts';

/** With `relays`: relay loops on the file's ledger and pool. */
export const test = base.extend('relays', { scope: 'file' }, ({ ledger, pool }, { onCleanup }) => {
  const relays = new Relays(ledger, pool);
  onCleanup(() => relays.stop());
  return relays;
});
