import { test as base } from './base-test.ts';
import { Steps } from './steps.ts';

/** With `steps`: the steps of a registration on the file's database and pool. */
export const test = base.extend('steps', { scope: 'file' }, ({ database, pool }, { onCleanup }) => {
  const steps = new Steps(database, pool);
  onCleanup(() => steps.stop());
  return steps;
});
