import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

function project(name: string, settings: { setup?: string; exclude?: string[] } = {}) {
  return {
    extends: true,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      exclude: settings.exclude ?? [],
      // Unit tests start nothing and share their modules: importing them again would take most of the time.
      isolate: name !== 'unit',
      setupFiles: settings.setup === undefined ? [] : [settings.setup],
    },
  } satisfies TestProjectInlineConfiguration;
}

// `npm run soak-events` and `npm run soak-profiles` set it: soak tests take minutes and are no part of `npm test`.
const soak = Boolean(process.env['SOAK']);
// The one file that writes histories: run by hand with FREEZE=<name> or FREEZE=missing.
const writesHistories = process.env['FREEZE'] ? [] : ['test/integration/replay/freeze.test.ts'];
const serverSetup = 'test/setup-servers.ts';

export default defineConfig({
  test: {
    projects: soak
      ? [project('soak', { setup: serverSetup })]
      : [
          project('unit'),
          project('integration', { setup: serverSetup, exclude: writesHistories }),
          project('end-to-end', { setup: serverSetup }),
        ],
    globalSetup: ['test/global-setup.ts'],
    // Upper bounds for a test that hangs, not expectations of speed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 3,
  },
});
