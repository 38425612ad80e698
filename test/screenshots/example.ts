import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type { Mail } from '../../dev/cognito/mailbox.ts';
import { eventually } from '../support/eventually.ts';

const EMAIL = 'ada@example.com';
const PASSWORD = 'Analytical1';
const PERSON = {
  email: EMAIL,
  username: 'ada',
  first_name: 'Ada',
  last_name: 'Lovelace',
  password: PASSWORD,
  confirm_password: PASSWORD,
};
const WIDE = { width: 900, height: 830 };
const TELEPHONE = { width: 390, height: 844 };

/** The example front end on its way from sign-up to profile. */
export async function takeExample(
  browser: Browser,
  api: string,
  sandbox: string,
  folder: string,
): Promise<void> {
  const page = await browser.newPage({ viewport: WIDE, colorScheme: 'light' });
  await page.goto(`${api}/example/#sign-up`);
  for (const [name, text] of Object.entries(PERSON)) {
    await field(page, name).fill(text);
  }
  await picture(page, join(folder, 'example-sign-up.png'));
  await press(page, 'Create account');
  await page.getByRole('heading', { name: 'Confirm your address' }).waitFor();
  let code: string | undefined;
  await eventually(async () => {
    const answer = await fetch(`${sandbox}/_sandbox/mail?to=${EMAIL}`);
    const { items } = (await answer.json()) as { items: Mail[] };
    code = items.at(-1)?.code;
    return code !== undefined;
  });
  await field(page, 'code').fill(code ?? '');
  await press(page, 'Confirm');
  await page.getByText('Your address is confirmed.').waitFor();
  await page.setViewportSize(TELEPHONE);
  await page.emulateMedia({ colorScheme: 'dark' });
  await picture(page, join(folder, 'example-profile.png'));
  await page.close();
}

const field = (page: Page, name: string) => page.locator(`section:not([hidden]) [name="${name}"]`);

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();

async function picture(page: Page, path: string): Promise<void> {
  // Without the cursor and the frame of the field that was filled last.
  await page.evaluate('document.activeElement.blur()');
  await page.screenshot({ path });
  process.stdout.write(`${path}\n`);
}
