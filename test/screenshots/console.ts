import { join } from 'node:path';
import { AdminSetUserPasswordCommand } from '@aws-sdk/client-cognito-identity-provider';
import type { Browser, Page } from 'playwright-core';
import { sandboxClient } from '../../dev/cognito/client.ts';
import { FIRST_ADMINISTRATOR } from '../../dev/person.ts';

const PASSWORD = 'Analytical1';
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

export interface ConsoleCase {
  /** Of the picture's file. */
  readonly name: string;
  /** The page, or the address of the person whose registration it is. */
  readonly shows: { readonly path: string } | { readonly person: string };
  readonly looks?: { readonly dark?: true; readonly phone?: true };
}

/** What the runbook shows of the console. */
export const CONSOLE_CASES: readonly ConsoleCase[] = [
  { name: 'needs-a-person', shows: { path: '/console' } },
  { name: 'parked', shows: { person: 'parked' } },
  { name: 'cleanup-required', shows: { person: 'cleanup' } },
  { name: 'phone', shows: { person: 'parked' }, looks: { dark: true, phone: true } },
];

/** The console's pages, as the first administrator sees them. */
export async function takeConsole(
  browser: Browser,
  site: { readonly api: string; readonly endpoint: string; readonly userPoolId: string },
  folder: string,
): Promise<void> {
  const page = await browser.newPage({ viewport: WIDE, colorScheme: 'light' });
  await signIn(page, site);
  for (const { name, shows, looks = {} } of CONSOLE_CASES) {
    await page.setViewportSize(looks.phone ? PHONE : WIDE);
    await page.emulateMedia({ colorScheme: looks.dark ? 'dark' : 'light' });
    if ('path' in shows) await page.goto(`${site.api}${shows.path}`);
    else await openPerson(page, site.api, `${shows.person}@example.com`);
    await page.locator('h1').waitFor();
    const path = join(folder, `console-${name}.png`);
    await page.screenshot({ path });
    process.stdout.write(`${path}\n`);
  }
  await page.close();
}

async function openPerson(page: Page, api: string, email: string): Promise<void> {
  await page.goto(`${api}/console/person?q=${encodeURIComponent(email)}`);
  await page.locator('table').getByRole('link', { name: email }).first().click();
  await page.locator('#live').waitFor();
}

async function signIn(
  page: Page,
  { api, endpoint, userPoolId }: { api: string; endpoint: string; userPoolId: string },
): Promise<void> {
  const client = sandboxClient(endpoint);
  const person = { UserPoolId: userPoolId, Username: FIRST_ADMINISTRATOR };
  await client.send(
    new AdminSetUserPasswordCommand({ ...person, Password: PASSWORD, Permanent: true }),
  );
  client.destroy();
  await page.goto(`${api}/console`);
  await page.locator('[name="username"]').fill(FIRST_ADMINISTRATOR);
  await page.locator('[name="password"]').fill(PASSWORD);
  await page.locator('main').getByRole('button').click();
  await page.getByRole('heading', { name: 'Needs a person', level: 1 }).waitFor();
}
