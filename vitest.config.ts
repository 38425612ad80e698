import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [
      // Makes histories, and so is run by hand only: FREEZE=<name> or FREEZE=missing.
      ...(process.env['FREEZE'] ? [] : ['test/replay/freeze.test.ts']),
      // Takes minutes: `npm run soak-events`.
      ...(process.env['SOAK'] ? [] : ['test/soak/**']),
    ],
    globalSetup: ['test/global-setup.ts'],
    setupFiles: ['test/quiet-runtime.ts'],
    // Bounds for what hangs, not expectations of speed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 3,
  },
});
