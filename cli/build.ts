// `npm run build`: bundles the workflows, so that the image and the first start have the result.
import { runMain } from '../src/run-main.ts';
import { workflowBundle } from '../worker/bundle.ts';

await runMain(async () => {
  await workflowBundle();
});
