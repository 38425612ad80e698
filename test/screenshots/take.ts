/** `npm run screenshots`: the runbook's cases in the real Temporal UI and in the console, and the example
 * front end, as pictures in `docs/images`; with `-- temporal`, `-- console` or `-- example` one of them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Page } from 'playwright-core';
import { call, Newcomer } from '../end-to-end/newcomer.ts';
import { REPOSITORY } from '../support/program.ts';
import { CHROMIUM } from '../support/programs.ts';
import { CASES, PLAN, type Case } from './cases.ts';
import { takeConsole } from './console.ts';
import { takeExample } from './example.ts';

const IMAGES = join(REPOSITORY, 'docs/images');
/** Long enough to see a step between two attempts, short enough to see it park. */
const ENV = { RETRY_BUDGET_SECONDS: '8', COMPENSATION_BUDGET_SECONDS: '1' };
const SIZE = { width: 1280, height: 1000 };
const WAIT_MS = 20_000;

const [only] = process.argv.slice(2);
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
  let ui = '';
  for (const one of CASES) {
    const registration = `${api}/registrations/${await open(api, bearer, one)}`;
    const url = await settle(registration, bearer, one);
    await picture(page, url.replace(/history$/, one.page), one.name, one.shows);
    ui = url.replace(/\/workflows\/.*$/, '');
  }
  const parked = encodeURIComponent('RegistrationStatus="roles_pending"');
  const list = `${ui}/workflows?query=${parked}`;
  await picture(page, list, 'list', 'register-user');
}

/** Every case, until it is due. */
async function openAll(api: string): Promise<void> {
  const bearer = await newcomer.token();
  for (const one of CASES) {
    await settle(`${api}/registrations/${await open(api, bearer, one)}`, bearer, one);
  }
}

async function open(api: string, bearer: string, { person }: Case): Promise<string> {
  const body = { email: `${person}@example.com`, roles: ['viewer'] };
  const answer = await call(`${api}/registrations`, bearer, body);
  if (answer.status !== 202) throw new Error(`${person}: ${JSON.stringify(answer.body)}`);
  return String(answer.body['id']);
}

/** Waits for the receipt to say what the picture is about; answers the run's page in the UI. */
async function settle(registration: string, bearer: string, one: Case): Promise<string> {
  let url = await until(registration, bearer, one.due);
  if (one.instruction !== undefined && one.after !== undefined) {
    await call(`${registration}/${one.instruction}`, bearer, { reason: 'for the runbook' });
    url = await until(registration, bearer, one.after);
  }
  return url;
}

async function until(registration: string, bearer: string, said: RegExp): Promise<string> {
  for (const deadline = Date.now() + WAIT_MS; ;) {
    const { body } = await call(registration, bearer);
    const { url } = body['workflow'] as { url: string | null };
    if (said.test(JSON.stringify(body)) && url !== null) return url;
    if (Date.now() > deadline) throw new Error(`${said} not in ${JSON.stringify(body)}`);
    await sleep(100);
  }
}

async function picture(page: Page, url: string, name: string, shows: string): Promise<void> {
  await page.goto(url);
  await page.getByText(shows).filter({ visible: true }).first().waitFor({ timeout: WAIT_MS });
  const path = join(IMAGES, `temporal-${name}.png`);
  await page.screenshot({ path });
  process.stdout.write(`${path}\n`);
}
