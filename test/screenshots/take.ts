/** `npm run screenshots`: the runbook's cases in the real Temporal UI and in the console, and the example
 * front end, as pictures in `docs/images`; with `-- temporal`, `-- console` or `-- example` one of them, with
 * `-- temporal parked changed` the pictures of these persons; the list needs `changed`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Page } from 'playwright-core';
import { call, Newcomer } from '../end-to-end/newcomer.ts';
import { REPOSITORY } from '../support/program.ts';
import { CHROMIUM } from '../support/programs.ts';
import { CASES, PLAN, type Case, type Picture } from './cases.ts';
import { takeConsole } from './console.ts';
import { takeExample } from './example.ts';

const IMAGES = join(REPOSITORY, 'docs/images');
/** Long enough to see a step between two attempts, short enough to see it park. */
const ENV = { RETRY_BUDGET_SECONDS: '8', COMPENSATION_BUDGET_SECONDS: '1' };
const SIZE = { width: 1280, height: 1000 };
/** Of the part that is worth a picture: below it is nothing. */
const SIZES: Readonly<Record<Picture['page'], { width: number; height: number }>> = {
  history: SIZE,
  list: { width: 1280, height: 400 },
  'pending-activities': { width: 1280, height: 730 },
  'search-attributes': { width: 1280, height: 640 },
  'user-metadata': { width: 1280, height: 820 },
};
const WAIT_MS = 20_000;
const [only, ...people] = process.argv.slice(2);
const cases = CASES.filter(({ person }) => people.length === 0 || people.includes(person));
const newcomer = await Newcomer.arrive();
const browser = await chromium.launch({
  executablePath: CHROMIUM.path ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
try {
  const plan = join(newcomer.home, 'plan.json');
  await writeFile(plan, JSON.stringify(PLAN));
  const { api } = await newcomer.start(['--', '--faults', plan], ENV);
  const { endpoint, UserPoolId: userPoolId } = await newcomer.sandbox();
  const takes = (what: string) => only === undefined || only === what;
  if (takes('example')) await takeExample(browser, api, endpoint, IMAGES);
  if (takes('temporal')) await takeTemporal(api);
  if (takes('console')) {
    // The pictures of Temporal have opened them before.
    if (!takes('temporal')) await openAll(api);
    await takeConsole(browser, { api, endpoint, userPoolId }, IMAGES);
  }
} finally {
  await browser.close();
  await newcomer.leave();
}

async function takeTemporal(api: string): Promise<void> {
  const bearer = await newcomer.token();
  const page = await browser.newPage({ viewport: SIZE });
  // Stack traces name the folders of this machine.
  await page.route('**/api/v1/**', async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replaceAll(REPOSITORY, '/registrar/');
    await route.fulfill({ response, body });
  });
  let ui = '';
  for (const one of cases) {
    const receipt = `${api}${await open(api, bearer, one)}`;
    const url = await settle(receipt, bearer, one);
    for (const shown of one.pictures) {
      await picture(page, url.replace(/history$/, shown.page), shown);
    }
    ui = url.replace(/\/workflows\/.*$/, '');
  }
  const parked = encodeURIComponent(
    'ExecutionStatus="Running" AND RegistrationStatus IN ("roles_pending","parked")',
  );
  const listed = cases.some(({ person }) => person === 'changed');
  if (listed)
    await picture(page, `${ui}/workflows?query=${parked}`, {
      name: 'list',
      page: 'list',
      shows: 'user/',
    });
  await page.unrouteAll({ behavior: 'ignoreErrors' });
}

/** Every case, until it is due. */
async function openAll(api: string): Promise<void> {
  const bearer = await newcomer.token();
  for (const one of CASES) await settle(`${api}${await open(api, bearer, one)}`, bearer, one);
}

/** Begins what the case is about; answers the path of its receipt. */
async function open(api: string, bearer: string, one: Case): Promise<string> {
  const body = { email: `${one.person}@example.com`, roles: ['viewer'] };
  const registration = `/registrations/${idOf(await call(`${api}/registrations`, bearer, body))}`;
  if (one.changesRolesTo === undefined) return registration;
  await until(`${api}${registration}`, bearer, /"status":"completed"/);
  const { body: receipt } = await call(`${api}${registration}`, bearer);
  const roles = `${api}/users/${String(receipt['userId'])}/roles`;
  return `/changes/${idOf(await call(roles, bearer, { roles: one.changesRolesTo }, 'PUT'))}`;
}

function idOf({ status, body }: Awaited<ReturnType<typeof call>>): string {
  if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`);
  return String(body['id']);
}

/** Waits for the receipt to say what the pictures are about; answers the run's page in the UI. */
async function settle(receipt: string, bearer: string, one: Case): Promise<string> {
  let url = await until(receipt, bearer, one.due);
  if (one.instruction !== undefined && one.after !== undefined) {
    await call(`${receipt}/${one.instruction}`, bearer, { reason: 'for the runbook' });
    url = await until(receipt, bearer, one.after);
  }
  return url;
}

async function until(receipt: string, bearer: string, said: RegExp): Promise<string> {
  for (const deadline = Date.now() + WAIT_MS; ;) {
    const { body } = await call(receipt, bearer);
    const { url } = body['workflow'] as { url: string | null };
    if (said.test(JSON.stringify(body)) && url !== null) return url;
    if (Date.now() > deadline) throw new Error(`${said} not in ${JSON.stringify(body)}`);
    await sleep(100);
  }
}

async function picture(page: Page, url: string, { name, page: at, shows }: Picture): Promise<void> {
  await page.setViewportSize({ ...SIZE, width: SIZES[at].width });
  await page.goto(url);
  // The UI renders the details of a run in a frame.
  const where = at === 'user-metadata' ? page.frameLocator('iframe') : page;
  await where.getByText(shows).filter({ visible: true }).first().waitFor({ timeout: WAIT_MS });
  const path = join(IMAGES, `temporal-${name}.png`);
  await page.screenshot({ path, clip: { x: 0, y: 0, ...SIZES[at] } });
  process.stdout.write(`${path}\n`);
}
