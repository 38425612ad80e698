import { expect } from 'vitest';
import { createUser } from '../../../../activities/registration/create-user.ts';
import { setPassword } from '../../../../activities/registration/set-password.ts';
import { acceptWithoutDisclosure } from '../../../../src/ledger/registrations/accept-without-disclosure.ts';
import { takeMail } from '../../../../src/ledger/mail-limits.ts';
import { readSealed } from '../../../../src/ledger/registrations/password.ts';
import { beginSteps } from '../../../../src/ledger/registrations/transitions.ts';
import { acceptInput } from '../../../support/accept-input.ts';
import { known } from '../../../support/known.ts';
import { signsIn } from '../../../support/passwords.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';

const PASSWORD = 'Analytical1';

test.beforeEach(({ steps }) => steps.pool.clearCalls());
test.afterEach(({ steps }) => steps.pool.clearFaults());

/** A sign-up whose user is there, and whose password is to be set. */
async function signedUp(steps: Steps, mailsCode = true) {
  const signup = { door: 'signup', emailVerified: false, roles: [], mailsCode } as const;
  const input = acceptInput({ password: PASSWORD, ...signup });
  await acceptWithoutDisclosure(steps.db, input);
  return known(await createUser(steps.context(), await beginSteps(steps.db, input.id)));
}
const mailsTo = async (steps: Steps, email: string) =>
  (await steps.pool.mail()).filter(({ to }) => to === email).length;
const isWiped = async (steps: Steps, id: string) =>
  (await readSealed(steps.db, id)).sealed === null;

test('a sign-up that has to be proved is mailed a code once, and the session for it is ended', async ({
  steps,
}) => {
  const { id, email } = await signedUp(steps);
  await setPassword(steps.context(), id);
  await setPassword(steps.context(), id);
  expect(await mailsTo(steps, email)).toBe(1);
  expect(await steps.effects('RevokeToken')).toBe(1);
  expect(await isWiped(steps, id)).toBe(true);
});

test('a sign-up that did not ask for it is mailed no code', async ({ steps }) => {
  const { id, email } = await signedUp(steps, false);
  await setPassword(steps.context(), id);
  expect(await mailsTo(steps, email)).toBe(0);
  expect(await steps.effects('InitiateAuth')).toBe(0);
});

test('a process that dies before it records the password leaves the code to the next attempt', async ({
  steps,
}) => {
  const { id, email } = await signedUp(steps);
  const dies = {
    ...steps.context(),
    sessions: {
      signIn: () => new Promise<never>(() => undefined),
      mailCode: async () => true,
      revoke: async () => undefined,
    },
    signal: AbortSignal.timeout(3000),
    // The ledger is out of reach from here on.
    db: new Proxy(steps.db, {
      get(target, name) {
        if (name === 'update') throw new Error('died');
        return Reflect.get(target, name, target) as unknown;
      },
    }),
  };
  await expect(setPassword(dies, id)).rejects.toThrow('died');
  expect(await isWiped(steps, id)).toBe(false);
  await setPassword(steps.context(), id);
  expect(await mailsTo(steps, email)).toBe(1);
});

test.for(['InitiateAuth', 'GetUserAttributeVerificationCode', 'RevokeToken'])(
  'an error of %s does not fail the step that sets the password',
  async (operation, { steps }) => {
    await steps.pool.setFaults([{ operation, fault: { kind: 'server' } }]);
    const { id, email } = await signedUp(steps);
    await setPassword(steps.context(), id);
    await steps.pool.clearFaults();
    expect(await isWiped(steps, id)).toBe(true);
    expect(await signsIn(steps.pool, email, PASSWORD)).toBe(true);
  },
);

test('a process without an app client, or an address with its mails of the hour, sends no code', async ({
  steps,
}) => {
  const first = await signedUp(steps);
  await setPassword(steps.context({ sessions: null }), first.id);
  expect(await mailsTo(steps, first.email)).toBe(0);
  const second = await signedUp(steps);
  for (let n = 0; n < 5; n += 1) {
    await takeMail(steps.db, { email: second.email, publicPerDay: null });
  }
  await setPassword(steps.context(), second.id);
  expect(await mailsTo(steps, second.email)).toBe(0);
  expect(await isWiped(steps, second.id)).toBe(true);
});
