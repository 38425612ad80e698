import { expect } from 'vitest';
import { test } from '../../../support/console-test.ts';

test('a person signs in, sees the pages and signs out', async ({ site }) => {
  const { email, password, browser } = await site.person('admin');
  const first = await browser.get('/console/person?q=ada');
  expect([first.status, first.location]).toEqual([
    303,
    '/console/sign-in?next=%2Fconsole%2Fperson%3Fq%3Dada',
  ]);
  const signedIn = await browser.submit(await browser.follow(first), { username: email, password });
  expect([signedIn.status, signedIn.location]).toEqual([303, '/console/person?q=ada']);
  const page = await browser.follow(signedIn);
  expect(page.status).toBe(200);
  expect(page.html).toContain(email);
  const out = await browser.submit(page, {}, { action: '/console/sign-out' });
  expect([out.status, out.location]).toEqual([303, '/console/sign-in?reason=signed_out']);
  expect((await browser.follow(out)).html).toContain('You are signed out.');
  expect((await browser.get('/console')).status).toBe(303);
});
