import { test as base } from './ledger-test.ts';
import { Deployment, type DeploymentOptions } from './deployment.ts';

const NO_OPTIONS: DeploymentOptions = {};

/** With `deployment`: API and worker processes on the file's database. */
export const test = base
  .extend('deploymentOptions', { scope: 'file' }, NO_OPTIONS)
  .extend(
    'deployment',
    { scope: 'file' },
    async ({ database, deploymentOptions }, { onCleanup }) => {
      const deployment = await Deployment.make({ database, ...deploymentOptions });
      onCleanup(() => deployment.stop());
      return deployment;
    },
  );
