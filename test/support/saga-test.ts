// oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures a function uses
import { test as base } from 'vitest';
import { Persons } from './persons.ts';
import { Saga, type SagaOptions } from './saga.ts';
import {
  createChangeScript,
  createScript,
  type ChangeScript,
  type Path,
  type Script,
} from './script.ts';

const NO_OPTIONS: SagaOptions = {};

/** With `saga`, or `sagas`: one for each path, whose activities follow `scripts`; or `persons`, who are
 * registered, and the activities of whose changes follow `changeScript`. Each saga has a
 * database, a pool and a worker of its own. Its histories are replayed when it stops. */
export const test = base
  .extend('sagaOptions', { scope: 'file' }, NO_OPTIONS)
  .extend('saga', { scope: 'file' }, async ({ sagaOptions }, { onCleanup }) => {
    const saga = await Saga.start(sagaOptions);
    onCleanup(() => saga.stop());
    return saga;
  })
  .extend('changeScript', { scope: 'file' }, ({}): ChangeScript => createChangeScript())
  .extend('persons', { scope: 'file' }, async ({ sagaOptions, changeScript }, { onCleanup }) => {
    const saga = await Saga.start({ ...sagaOptions, wrapChanges: changeScript.wrap });
    onCleanup(() => saga.stop());
    return new Persons(saga);
  })
  .extend('scripts', { scope: 'file' }, ({}): Record<Path, Script> => {
    return { fast: createScript('fast'), ordinary: createScript('ordinary') };
  })
  .extend('sagas', { scope: 'file' }, async ({ sagaOptions, scripts }, { onCleanup }) => {
    const [fast, ordinary] = await Promise.all([
      Saga.start({ ...sagaOptions, wrap: scripts.fast.wrap }),
      Saga.start({ ...sagaOptions, wrap: scripts.ordinary.wrap }),
    ]);
    onCleanup(async () => void (await Promise.all([fast.stop(), ordinary.stop()])));
    return { fast, ordinary };
  });
