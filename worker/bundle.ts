import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

let bundled: Promise<WorkflowBundleWithSourceMap> | undefined;

/** Bundles the workflows for the sandbox, once in a process: it takes about two seconds. */
export function workflowBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundled ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)),
    logger: {
      log: ignore,
      trace: ignore,
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: ignore,
    },
  }).catch((error: unknown) => {
    // A disk that was full for a moment must not be remembered: the next attempt bundles anew.
    bundled = undefined;
    throw error;
  });
  return bundled;
}

// A bundle that fails throws; what it says on the way is noise.
function ignore(): void {}
