import { startApi } from '../integration/http/api-under-test.ts';
import { ConsoleUnderTest } from './console-test.ts';
import { test as sagaTest } from './saga-test.ts';

/** With `site`, the console over a saga with real runs, and `administrator`, who is signed in to it. */
export const test = sagaTest
  .extend('site', { scope: 'file' }, async ({ saga }, { onCleanup }) => {
    const api = await startApi(saga.database);
    onCleanup(() => api.end());
    const { runs, userRuns, pool } = saga;
    return new ConsoleUnderTest(api, pool, { runs, userRuns, propagationGraceSeconds: 1 });
  })
  .extend('administrator', async ({ site }) => await site.operator('admin'));
