import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, Newcomer } from './newcomer.ts';

const WITH_PROFILES = ['--', '--with-profile-service'];

let newcomer: Newcomer;
beforeAll(async () => {
  newcomer = await Newcomer.arrive();
});
afterAll(() => newcomer.leave());

async function profiles(): Promise<{ id: string; email: string }[]> {
  const url = new URL((await newcomer.settings())['DATABASE_URL'] ?? '');
  url.pathname = '/profiles';
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
  const rows = await sql<{ id: string; email: string }[]>`SELECT id, email FROM profiles`;
  await sql.end();
  return [...rows];
}

test('npm start -- --with-profile-service registers people with a profile, refuses rejected ones and leaves no process', async () => {
  const started = await newcomer.start(WITH_PROFILES);
  expect(started.npm.output()).toMatch(/^ {2}profiles +embedded, http:\/\/127\.0\.0\.1:\d+/m);
  const { status, receipt } = await newcomer.paste(started.curl);
  const { email } = receipt;
  const [profile] = await profiles();
  expect(profile).toMatchObject({ email });
  expect({ status, receipt }).toMatchObject({
    status: 201,
    receipt: { status: 'completed', profileId: profile?.id },
  });
  const rejected = started.curl.replace(String(email), 'eve@rejected.example');
  expect(await newcomer.paste(rejected)).toMatchObject({
    status: 422,
    receipt: { code: 'profile_rejected' },
  });
  expect(await newcomer.end(started, (pid) => process.kill(pid, 'SIGINT'))).toEqual([]);

  // The profiles and the secret are kept; without the option nobody needs a profile.
  const again = await newcomer.start(WITH_PROFILES);
  expect(await profiles()).toEqual([profile]);
  const registration = `${again.api}/registrations/${String(receipt['id'])}`;
  const kept = await call(registration, await newcomer.token());
  expect(kept.body).toMatchObject({ profileId: profile?.id });
  expect(await newcomer.end(again, (pid) => process.kill(pid, 'SIGINT'))).toEqual([]);
  const without = await newcomer.start();
  expect(await newcomer.paste(without.curl)).toMatchObject({
    status: 201,
    receipt: { profileId: null },
  });
  expect(await newcomer.end(without, (pid) => process.kill(pid, 'SIGINT'))).toEqual([]);
});

test.each([
  ['PROFILE_URL', 'https://profiles.example.com', 'PROFILE_URL names a profile service already'],
  ['DATABASE_URL', 'postgres://elsewhere/registrar', 'unset DATABASE_URL'],
])('--with-profile-service beside %s is refused before anything starts', async (...given) => {
  const [name, value, says] = given;
  const ended = await newcomer.tryToStart({ [name]: value }, WITH_PROFILES);
  expect(ended).toMatchObject({ code: 1, output: expect.stringContaining(says) as unknown });
  expect(ended.output).not.toContain('starting');
});
