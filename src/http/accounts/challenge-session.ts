import { z } from '@hono/zod-openapi';
import type { Challenge } from '../../domain/session.ts';
import { accountDigest, type SignInAccount } from './account.ts';

/** Cognito checks its own session against user and challenge. The other fields only say whom the answer
 * has to name, so the text needs no signature. */
const BoundSession = z.object({
  account: z.string(),
  challenge: z.string(),
  poolName: z.string(),
  session: z.string(),
});
type BoundSession = z.infer<typeof BoundSession>;

/** Writes what the answer to a challenge has to repeat. */
export function encodeSession(
  account: Pick<SignInAccount, 'countedAs'>,
  { name: challenge, poolName, session }: Challenge,
): string {
  const bound: BoundSession = { account: accountDigest(account), challenge, poolName, session };
  return Buffer.from(JSON.stringify(bound)).toString('base64url');
}

/** @returns null for a text that `encodeSession` did not write */
export function decodeSession(text: string): BoundSession | null {
  try {
    return BoundSession.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch {
    return null;
  }
}
