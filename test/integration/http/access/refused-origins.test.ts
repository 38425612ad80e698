import { expect } from 'vitest';
import { test } from '../../../support/api-test.ts';

test('an origin that may not call is logged once, and nothing that no browser sends', async ({
  api,
}) => {
  const app = api.app({ corsOrigins: ['https://admin.example'] });
  const from = async (origin: string, method = 'GET') => {
    const preflight = { 'access-control-request-method': 'POST' };
    const headers = { origin, ...(method === 'OPTIONS' ? preflight : {}) };
    await api.call('/roles', { app, method, headers });
  };
  const refused = () =>
    api.scripts.logged.flatMap(({ fields, message }) =>
      message.startsWith('CORS origin refused') && 'origin' in fields ? [fields.origin] : [],
    );
  await from('https://admin.example');
  await from('http://localhost');
  await from('null');
  await from('https://ada@example.com');
  await from(`https://${'a'.repeat(300)}.example`);
  await from('not an origin');
  expect(refused()).toEqual([]);
  await from('https://other.example', 'OPTIONS');
  await from('https://other.example');
  await from('https://admin.example.evil');
  expect(refused()).toEqual(['https://other.example', 'https://admin.example.evil']);
  for (let at = 0; at < 50; at += 1) await from(`https://flood-${at}.example`);
  expect(refused()).toHaveLength(20);
});
