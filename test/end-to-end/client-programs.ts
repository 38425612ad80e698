/** Made by the test, beside the program. */
const CLIENT = './client.ts';
export const IMPORT = `import * as api from '${CLIENT}';`;

/** What somebody writes who has a client made from the document. */
export const CUSTOMER = `${IMPORT}

api.defaults.baseUrl = process.env.REGISTRAR_URL ?? '';
api.defaults.headers = { authorization: \`Bearer \${process.env.REGISTRAR_TOKEN}\` };

const grace: api.NewRegistrationWrite = { email: 'grace@example.com', roles: ['viewer'] };
const first = await api.createRegistration(grace, { idempotencyKey: 'key-1', prefer: 'wait=30' });
if (first.status !== 201) throw new Error(JSON.stringify(first));
const status: 'completed' | api.RegistrationStatus = first.data.status;
console.log('registered', status);

const again = await api.createRegistration(grace, { idempotencyKey: 'key-1' });
if (again.status === 201) console.log('repeated', again.data.id === first.data.id ? 'the same' : 'another');

const other = await api.createRegistration({ ...grace, roles: [] }, { idempotencyKey: 'key-1' });
if (other.status === 422) console.log('other body', other.data.code);

const taken = await api.createRegistration(grace, { idempotencyKey: 'key-2' });
if (taken.status === 409 && taken.data.code === 'email_taken') {
  const { code, registrationId } = taken.data;
  console.log('other key', code, registrationId === first.data.id ? 'names the first' : 'names nobody');
}

const misspelt = await api.createRegistration({ ...grace, email: 'grace' });
if (misspelt.status === 422) {
  for (const { pointer, code } of misspelt.data.errors ?? []) console.log('misspelt', pointer, code);
}

const page = await api.listRegistrations({ status: ['completed', 'failed'], limit: 10 });
if (page.status === 200) console.log('listed', page.data.items.length, 'of', page.data.total);

const retried = await api.retryRegistration(first.data.id, { reason: 'to be sure' });
switch (retried.status) {
  case 202:
    console.log('retried', retried.data.status);
    break;
  case 409:
    console.log('retried', retried.data.code satisfies api.ProblemCode);
    break;
  default:
    throw new Error(retried.data.detail);
}
`;

/** One line each, every one of them wrong. */
export const MISTAKES: Readonly<Record<string, string>> = {
  'a misspelt field': `await api.createRegistration({ emial: 'a@b.co', roles: [] });`,
  'a field too many': `await api.createRegistration({ email: 'a@b.co', roles: [], role: 'viewer' });`,
  'a field too few': `await api.createRegistration({ email: 'a@b.co' });`,
  'a role that is no list': `await api.createRegistration({ email: 'a@b.co', roles: 'viewer' });`,
  'a receipt before the status is looked at': `(await api.getRegistration('id')).data.timeline;`,
  'a status that is never answered': `(await api.getRegistration('id')).status === 418;`,
  'a code that is none': `const code: api.ProblemCode = 'email_takn';`,
  'a status of a registration that is none': `await api.listRegistrations({ status: ['done'] });`,
  'a null that is not looked at': `declare const receipt: api.Receipt; receipt.userId.length;`,
};
