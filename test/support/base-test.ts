// oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures a function uses
import { test as base } from 'vitest';
import { createTestPool } from './cognito.ts';
import { createLedgerDatabase, createTestDatabase } from './database.ts';
import { ProfileSite } from './profile-site.ts';
import { Broker } from './rabbitmq.ts';

/** A file-scoped fixture starts when a test or hook of the file first asks for it, and is closed
 * after the last test. `test.override` at the top of a file sets its options. */
export const test = base
  .extend('database', { scope: 'file' }, async ({}, { onCleanup }) => {
    const database = await createLedgerDatabase();
    onCleanup(() => database.drop());
    return database;
  })
  .extend('pool', { scope: 'file' }, async ({}, { onCleanup }) => {
    const pool = await createTestPool();
    onCleanup(() => pool.remove());
    return pool;
  })
  .extend('profiles', { scope: 'file' }, async ({}, { onCleanup }) => {
    const profiles = await ProfileSite.start(await createTestDatabase());
    onCleanup(() => profiles.stop());
    return profiles;
  })
  .extend('broker', { scope: 'file' }, async ({}, { onCleanup }) => {
    const broker = await Broker.start();
    onCleanup(() => broker.remove());
    return broker;
  });
