import { expect } from 'vitest';
import { assetPath, type AssetName } from '../../../../src/http/console/assets.ts';
import { test } from '../../../support/console-test.ts';

test.for<[AssetName, string]>([
  ['console.css', 'text/css; charset=utf-8'],
  ['console.js', 'text/javascript; charset=utf-8'],
  ['icon.svg', 'image/svg+xml'],
])(
  '%s is served with its type, under a name that changes with it',
  async ([name, type], { site }) => {
    const page = await site.browser().get('/console/sign-in');
    expect(page.html).toContain(`"${assetPath(name)}"`);
    const file = await site.browser().get(assetPath(name));
    expect(file.status).toBe(200);
    expect(file.headers.get('content-type')).toBe(type);
    expect(file.headers.get('x-content-type-options')).toBe('nosniff');
    expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect((await site.browser().get(`/console/assets/older/${name}`)).status).toBe(404);
  },
);

test('the script is smaller than 6 kB', async ({ site }) => {
  const { html } = await site.browser().get(assetPath('console.js'));
  expect(Buffer.byteLength(html)).toBeLessThan(6000);
});
