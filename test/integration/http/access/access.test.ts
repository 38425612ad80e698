import { expect } from 'vitest';
import { createTokenVerifier } from '../../../../src/http/access/tokens.ts';
import { type ApiUnderTest, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const hour = 3600;
const now = () => Math.floor(Date.now() / 1000);

const REFUSED: [string, (api: ApiUnderTest) => string][] = [
  ['that says alg none', (api) => api.issuer.token({}, { alg: 'none' })],
  ['that says alg None', (api) => api.issuer.token({}, { alg: 'None' })],
  ['signed as HS256', (api) => api.issuer.token({}, { alg: 'HS256' })],
  ['signed as RS512 with an RS256 key', (api) => api.issuer.token({}, { alg: 'RS512' })],
  ['signed by a stranger', (api) => api.issuer.forged()],
  ['of an unknown key', (api) => api.issuer.token({}, { kid: 'theirs' })],
  ['without a key id', (api) => api.issuer.token({}, { kid: undefined })],
  [
    'that brings its own key',
    (api) => api.issuer.token({}, { kid: undefined, jwk: { kty: 'RSA' } }),
  ],
  ['that expired', (api) => api.issuer.token({ exp: now() - 1 })],
  ['that never expires', (api) => api.issuer.token({ exp: undefined })],
  ['that is not valid yet', (api) => api.issuer.token({ nbf: now() + hour })],
  ['of another pool', (api) => api.issuer.token({ iss: `${api.issuer.issuer}x` })],
  ['without an issuer', (api) => api.issuer.token({ iss: undefined })],
  ['of a foreign client', (api) => api.issuer.token({ client_id: 'foreign' })],
  ['without a client', (api) => api.issuer.token({ client_id: undefined, aud: 'client-one' })],
  ['that is an id token', (api) => api.issuer.token({ token_use: 'id' })],
  ['without a subject', (api) => api.issuer.token({ sub: undefined })],
  ['with a tampered payload', (api) => tamper(api.issuer.token({ 'cognito:groups': ['viewer'] }))],
  ['cut short', (api) => api.issuer.token().slice(0, -4)],
  ['that is no JWT', () => 'abc'],
  ['of 20,000 characters', () => 'a'.repeat(20_000)],
];

function tamper(token: string): string {
  const [head = '', payload = '', signature = ''] = token.split('.');
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const more = { ...(claims as object), 'cognito:groups': ['admin'] };
  return [head, Buffer.from(JSON.stringify(more)).toString('base64url'), signature].join('.');
}

test.for(REFUSED)('the API answers 401 to a token %s', async ([_what, token], { api }) => {
  const answer = await api.call('/roles', { token: token(api) });
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
  expect(answer.body).toEqual({
    ...problem(answer, 'unauthenticated', 401, 'Unauthenticated'),
    detail: 'A valid bearer access token is required.',
  });
});

test.for(['', 'Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', 'Token x'])(
  'the API answers 401 to the authorization header %j',
  async (authorization, { api }) => {
    const answer = await api.call('/roles', { token: null, headers: { authorization } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  },
);

const GUARDED: [string, string][] = [
  ['POST', '/registrations'],
  ['GET', '/registrations'],
  ['GET', '/registrations/x'],
  ['POST', '/registrations/x/retry'],
  ['POST', '/registrations/x/cancel'],
  ['PUT', '/registrations/x/roles'],
  ['POST', '/registrations/x/invitation'],
  ['GET', '/audit-events'],
  ['GET', '/roles'],
  ['POST', '/api/users'],
  ['POST', '/api/step/users'],
];

test.for(GUARDED)(
  '%s %s checks the token before anything else',
  async ([method, path], { api }) => {
    const answer = await api.call(path, { method, token: null });
    expect(answer.body).toMatchObject({ code: 'unauthenticated' });
  },
);

test('the authorization scheme is matched in any case', async ({ api }) => {
  const authorization = `bearer ${api.issuer.token()}`;
  const answer = await api.call('/roles', { token: null, headers: { authorization } });
  expect(answer.body).toEqual({
    items: [
      { name: 'admin', description: null },
      { name: 'researcher', description: 'Searches' },
      { name: 'viewer', description: 'Looks' },
    ],
  });
});

test('keys are fetched once, and unknown key ids do not flood the endpoint', async ({ api }) => {
  const before = api.issuer.fetches;
  for (let call = 0; call < 20; call += 1) await api.call('/roles');
  await api.call('/roles', { token: api.issuer.token({}, { kid: 'a' }) });
  for (let call = 0; call < 20; call += 1) {
    await api.call('/roles', { token: api.issuer.token({}, { kid: `b${call}` }) });
  }
  expect(api.issuer.fetches - before).toBeLessThanOrEqual(1);
});

test('unreachable signing keys answer 503, and 200 once they are reachable', async ({ api }) => {
  const fresh = (jwksUrl: string) =>
    api.app({
      verifyToken: createTokenVerifier({
        issuer: api.issuer.issuer,
        jwksUrl,
        clientIds: [api.issuer.clientId],
      }),
    });
  const app = fresh(api.issuer.jwksUrl);
  api.issuer.answerWith(500);
  const answer = await api.call('/roles', { app });
  expect(answer.body).toEqual(problem(answer, 'unavailable', 503, 'Unavailable'));
  expect(answer.headers.get('retry-after')).toBe('5');
  api.issuer.answerWith(200);
  expect((await api.call('/roles', { app })).status).toBe(200);
  const nobody = fresh('http://127.0.0.1:1/jwks.json');
  expect((await api.call('/roles', { app: nobody })).status).toBe(503);
  expect((await api.call('/roles', { app: nobody, token: 'abc' })).status).toBe(401);
});
