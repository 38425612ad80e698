// oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures a function uses
import { Client } from '@temporalio/client';
import { test as base } from 'vitest';
import { Deployment, type Api } from './deployment.ts';
import type { Program } from './program.ts';
import { connectToTemporal, TEST_NAMESPACE } from './temporal.ts';

/** An API process and two workers, one of which a test kills. */
export interface Site {
  readonly deployment: Deployment;
  readonly api: Api;
  readonly workers: readonly Program[];
}

/** With `site`, which each test has to itself, and `client`, of Temporal. */
export const test = base
  .extend('client', { scope: 'file' }, async ({}, { onCleanup }) => {
    const connection = await connectToTemporal();
    onCleanup(() => connection.close());
    return new Client({ connection, namespace: TEST_NAMESPACE });
  })
  .extend('site', async ({}, { onCleanup }): Promise<Site> => {
    const deployment = await Deployment.make();
    onCleanup(() => deployment.stop());
    const [api, ...workers] = await Promise.all([
      deployment.api({ IN_PROCESS_WORKER: 'false', ROLE_GRANTS: 'group:admin=*' }),
      deployment.worker(),
      deployment.worker(),
    ]);
    return { deployment, api, workers };
  });
