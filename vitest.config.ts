import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Makes histories, and so is run by hand only: FREEZE=<name> or FREEZE=missing.
    exclude: process.env['FREEZE'] ? [] : ['test/replay/freeze.test.ts'],
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
