import { startApi } from '../integration/http/api-under-test.ts';
import { test as base } from './base-test.ts';

/** With `api`: the API on the file's database; runs, roles and the directory are scripted. */
export const test = base.extend('api', { scope: 'file' }, async ({ database }, { onCleanup }) => {
  const api = await startApi(database);
  onCleanup(() => api.end());
  return api;
});
