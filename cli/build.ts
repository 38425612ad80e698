// `npm run build`: bundles the workflows, so that the image and the first start have the result. With tracing
// they are another bundle, and an image does not know yet where it will run.
import { runMain } from '../src/run-main.ts';
import { bundlingPlugins } from '../src/telemetry/tracing.ts';
import { keptBundle } from '../worker/bundle.ts';

await runMain(async () => {
  await keptBundle();
  await keptBundle(await bundlingPlugins());
});
