import { randomUUID } from 'node:crypto';
import {
  AdminGetUserCommand,
  AdminSetUserPasswordCommand,
  GetUserAttributeVerificationCodeCommand,
  NotAuthorizedException,
  UserNotFoundException,
  VerifyUserAttributeCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { registrations } from '../../src/db/schema.ts';
import { lastCode, PASSWORD, signIn } from '../support/pool-people.ts';
import { addUser } from '../support/pool-user.ts';
import type { Plan } from './plan.ts';
import type { Site } from './site.ts';

/** Somebody who signed up with an address, has a code that proves it, and has not used the code yet. */
export interface SignedUp {
  /** Of the registration. */
  readonly id: string;
  readonly accessToken: string;
  readonly code: string;
}

/** Signs up everybody who is to be replaced; by address. */
export async function signUpSquatters(site: Site, plan: Plan): Promise<Map<string, SignedUp>> {
  const signedUp = new Map<string, SignedUp>();
  for (const { email, squatter } of plan.registrations) {
    if (squatter) signedUp.set(email, await signUp(site, email));
  }
  return signedUp;
}

async function signUp(site: Site, email: string): Promise<SignedUp> {
  const { client, db, userPoolId } = site;
  const id = randomUUID();
  await addUser(site, email, { mark: id });
  const at = { UserPoolId: userPoolId, Username: email };
  await client.send(
    new AdminSetUserPasswordCommand({ ...at, Password: PASSWORD, Permanent: true }),
  );
  const { Username = '' } = await client.send(new AdminGetUserCommand(at));
  await db.insert(registrations).values({
    id,
    status: 'completed',
    email,
    emailVerified: false,
    invite: false,
    roles: [],
    requestedBy: 'door:signup',
    door: 'signup',
    keyScope: `signup:${email}`,
    requestHash: '',
    createAttempt: 1,
    createOutcome: 'created',
    cognitoUsername: Username,
    userId: Username,
    acceptedAt: new Date(),
    finishedAt: new Date(),
    userCreatedAt: new Date(Date.now() - 3_600_000),
  });
  const { AuthenticationResult } = await signIn(site, email);
  const accessToken = AuthenticationResult?.AccessToken ?? '';
  await client.send(
    new GetUserAttributeVerificationCodeCommand({
      AccessToken: accessToken,
      AttributeName: 'email',
    }),
  );
  return { id, accessToken, code: await lastCode(site, email) };
}

/** @returns whether Cognito took the code: not of somebody who is disabled or deleted */
export async function proveAddress(
  { client }: Site,
  { accessToken: AccessToken, code: Code }: SignedUp,
): Promise<boolean> {
  try {
    await client.send(
      new VerifyUserAttributeCommand({ AccessToken, AttributeName: 'email', Code }),
    );
    return true;
  } catch (error) {
    const refused =
      error instanceof NotAuthorizedException || error instanceof UserNotFoundException;
    if (refused) return false;
    throw error;
  }
}
