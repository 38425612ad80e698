import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Record<string, unknown>;

/** An issuer with a real key and a real keys endpoint. */
export interface TokenIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly clientId: string;
  /** An access token of a user; what is given replaces the usual claims. */
  token(claims?: Json, header?: Json): string;
  /** As `token`, signed with a key that the endpoint does not know. */
  forged(claims?: Json): string;
  /** From now on the endpoint answers with this status. */
  answerWith(status: number): void;
  readonly fetches: number;
  close(): Promise<void>;
}

export async function startIssuer(): Promise<TokenIssuer> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwks = {
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'ours', use: 'sig', alg: 'RS256' }],
  };
  let status = 200;
  let fetches = 0;
  const server = createServer((_request, response) => {
    fetches += 1;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(status === 200 ? JSON.stringify(jwks) : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}/pool`;
  const clientId = 'client-one';
  const claimsWith = (claims: Json): Json => {
    const sub = randomUUID();
    const now = Math.floor(Date.now() / 1000);
    return {
      sub,
      username: sub,
      iss: issuer,
      client_id: clientId,
      token_use: 'access',
      scope: 'aws.cognito.signin.user.admin',
      'cognito:groups': ['admin'],
      iat: now,
      exp: now + 600,
      ...claims,
    };
  };
  return {
    issuer,
    clientId,
    jwksUrl: `${issuer}/.well-known/jwks.json`,
    token: (claims = {}, header = {}) => jwt(privateKey, claimsWith(claims), header),
    forged: (claims = {}) => jwt(stranger.privateKey, claimsWith(claims)),
    answerWith: (next) => {
      status = next;
    },
    get fetches() {
      return fetches;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function jwt(key: KeyObject, claims: Json, header: Json = {}): string {
  const encode = (part: Json) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = `${encode({ alg: 'RS256', kid: 'ours', typ: 'JWT', ...header })}.${encode(claims)}`;
  const unsigned = header['alg'] === 'none';
  return `${text}.${unsigned ? '' : sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
}
