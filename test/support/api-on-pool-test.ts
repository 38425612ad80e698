import { createCognito } from '../../src/cognito/adapter.ts';
import { createDirectory } from '../../src/cognito/directory.ts';
import type { ApiUnderTest } from '../integration/http/api-under-test.ts';
import { test as apiTest } from './api-test.ts';
import { Steps } from './steps.ts';

/** With `users`: the API whose directory reads the file's pool, and `steps`, which finish what it
 * accepts, on one database. */
export const test = apiTest
  .extend('steps', { scope: 'file' }, ({ database, pool }, { onCleanup }) => {
    const steps = new Steps(database, pool);
    onCleanup(() => steps.stop());
    return steps;
  })
  .extend('users', { scope: 'file' }, ({ api, pool }) => {
    const provider = createCognito(pool.client, pool.userPoolId);
    const directory = createDirectory(provider, async () => undefined);
    const app = api.app({ directory });
    const call: ApiUnderTest['call'] = (path, options) => api.call(path, { app, ...options });
    return { call, directory };
  });
