import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  createPrivateKey,
  createHash,
  randomUUID,
  sign,
  verify,
} from 'node:crypto';
import { join } from 'node:path';
import { readIfThere, writeFileSafely } from '../stack/files.ts';
import { damaged } from '../stack/state-error.ts';
import { notAuthorized } from './service-error.ts';

export type Claims = { [claim: string]: unknown };

export interface Signer {
  readonly jwks: { keys: object[] };
  sign(claims: Claims): string;
  /** Whether a token is ours, however old. */
  signed(token: string): boolean;
  /** The claims of a token of ours. Throws `NotAuthorizedException` for any other, or an old one.
   * @param now in milliseconds of the pool's clock */
  open(token: unknown, now: number): Claims;
}

/** Loads or makes the key of this sandbox. */
export async function createSigner(directory: string): Promise<Signer> {
  const file = join(directory, 'signing-key.pem');
  let pem = await readIfThere(file);
  if (pem === undefined) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await writeFileSafely(file, pem);
  }
  const key = keyOf(pem, file);
  const publicKey: KeyObject = createPublicKey(key);
  const jwk = publicKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url').slice(0, 20);
  const encode = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = (token: string): boolean => {
    const [head, body, signature] = token.split('.');
    if (head === undefined || body === undefined || signature === undefined) return false;
    const given = Buffer.from(signature, 'base64url');
    return verify('RSA-SHA256', Buffer.from(`${head}.${body}`), publicKey, given);
  };
  return {
    jwks: { keys: [{ ...jwk, kid, alg: 'RS256', use: 'sig' }] },
    sign(claims) {
      const text = `${encode({ alg: 'RS256', kid })}.${encode(claims)}`;
      return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
    },
    signed,
    open(token, now) {
      if (!signed(String(token))) throw notAuthorized('Invalid Access Token');
      const claims = claimsOf(String(token));
      if (Number(claims['exp']) * 1000 <= now) {
        throw notAuthorized('Access Token has expired');
      }
      return claims;
    },
  };
}

function keyOf(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw damaged(file, 'it does not contain a valid key');
  }
}

export function claimsOf(token: string): Claims {
  try {
    const body = token.split('.')[1] ?? '';
    return JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims;
  } catch {
    return {};
  }
}

/** An access token with claims of the caller's choice, for tests of what the API refuses. */
export function mintToken(signer: Signer, issuer: string, claims: Claims): string {
  const now = Math.floor(Date.now() / 1000);
  return signer.sign({
    sub: randomUUID(),
    iss: issuer,
    token_use: 'access',
    scope: 'aws.cognito.signin.user.admin',
    auth_time: now,
    iat: now,
    exp: now + 1800,
    jti: randomUUID(),
    ...claims,
  });
}
