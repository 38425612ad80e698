import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { registerAtOnce } from '../../activities/registration/register-at-once.ts';
import { emailOf, type Registration } from '../../src/domain/registration.ts';
import { accept } from '../../src/ledger/registrations/accept.ts';
import type { ApiUnderTest } from '../integration/http/api-under-test.ts';
import { acceptInput, type Wanted } from './accept-input.ts';
import type { Steps } from './steps.ts';

/** A completed registration, with its user in the pool. */
export async function registered(
  steps: Steps,
  wanted: Wanted = {},
): Promise<Registration & { readonly userId: string; readonly email: string }> {
  const input = acceptInput({ invite: false, ...wanted });
  await accept(steps.db, input);
  const { row } = await registerAtOnce(steps.context(), input.id);
  expect(row.status).toBe('completed');
  return { ...row, userId: row.userId ?? '', email: emailOf(row) };
}

/** The token of somebody who may assign `researcher` and `viewer`. */
export const manager = (api: ApiUnderTest, sub: string = randomUUID()): string =>
  api.issuer.token({ sub, 'cognito:groups': ['manager'] });
