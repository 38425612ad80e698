import {
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
  AdminGetUserCommand,
  AdminSetUserPasswordCommand,
  CognitoIdentityProviderClient,
  ListUsersCommand,
  type AttributeType,
} from '@aws-sdk/client-cognito-identity-provider';
import type { CallOutcome, Telemetry } from '../domain/telemetry.ts';
import type { AccountAdministration } from '../domain/account.ts';
import { createAccountAdministration } from './accounts.ts';
import { atProvider, LARGEST_PAGE, REQUEST_TIMEOUT_MS, valueOf } from './call.ts';
import { outcomeOf } from './classify.ts';
import type { Secret } from '../secrets/secret.ts';
import { toProviderError } from './provider-error.ts';
import { createRoleAdministration, type RoleAdministration } from './roles.ts';

/** The user pool attribute with the registration that created a user. No app client may write it. */
export const MARK_ATTRIBUTE = 'custom:registration_id';

/** Cognito answers RESEND only after it has handed over the mail, so this takes longer than other calls. */
export const INVITATION_TIMEOUT_MS = 15_000;

export interface ProviderUser {
  /** The username in Cognito, which every later call uses. */
  readonly username: string;
  readonly sub: string;
  readonly mark: string | null;
  /** `FORCE_CHANGE_PASSWORD`, `CONFIRMED`, … as Cognito names them. */
  readonly status: string;
  readonly enabled: boolean;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly phoneNumber: string | null;
  /** The second factors that sign-in asks for, as Cognito names them. */
  readonly secondFactors: readonly string[];
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly createdAt: Date;
}

/** A user as a page of the pool shows it. */
export interface ListedUser {
  readonly username: string;
  readonly sub: string;
  readonly mark: string | null;
  readonly createdAt: Date;
}

export interface NewUser {
  readonly email: string;
  readonly emailVerified: boolean;
  readonly username: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly attributes: Readonly<Record<string, string>>;
  /** The registration's id. */
  readonly mark: string;
}

/** The identity provider, as the steps see it. Every method throws ProviderError. */
export interface IdentityProvider extends AccountAdministration, RoleAdministration {
  createUser(user: NewUser, signal: AbortSignal): Promise<{ username: string; sub: string }>;
  /** By Cognito username or e-mail; null when there is none (yet). */
  readUser(username: string, signal: AbortSignal): Promise<ProviderUser | null>;
  deleteUser(username: string, signal: AbortSignal): Promise<void>;
  /** Sets a permanent password: the user does not have to change it. */
  setPassword(username: string, password: Secret, signal: AbortSignal): Promise<void>;
  sendInvitation(username: string, signal: AbortSignal): Promise<void>;
  /** At most 60 users, in no order; eventually consistent. @param page null for the first */
  listUsers(
    page: string | null,
    signal: AbortSignal,
  ): Promise<{ users: ListedUser[]; next: string | null }>;
}

export interface CognitoSettings {
  readonly region: string;
  readonly userPoolId: string;
  /** Only for emulators. */
  readonly endpoint: string | null;
}

/** The SDK's client with its own retries off: Temporal owns retries, and a hidden one can turn a
 * success into UsernameExistsException. */
export function cognitoClient(
  settings: CognitoSettings,
  called: Telemetry['called'] = () => undefined,
): CognitoIdentityProviderClient {
  const client = new CognitoIdentityProviderClient({
    region: settings.region,
    ...(settings.endpoint ? { endpoint: settings.endpoint } : {}),
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 2000, requestTimeout: REQUEST_TIMEOUT_MS },
  });
  // The outermost step of the SDK, so that every call to Cognito is counted.
  client.middlewareStack.add(
    (next, { commandName = 'unknown' }) =>
      async (args) => {
        const begun = performance.now();
        const tell = (outcome: CallOutcome): void => {
          const operation = commandName.replace(/Command$/, '');
          called({ operation, outcome, seconds: (performance.now() - begun) / 1000 });
        };
        try {
          const answer = await next(args);
          tell('ok');
          return answer;
        } catch (error) {
          tell(outcomeOf(toProviderError(error)));
          throw error;
        }
      },
    { step: 'initialize', name: 'countCalls' },
  );
  return client;
}

/** A thin adapter: one command per method; groups of Cognito are called roles here. */
export function createCognito(
  client: CognitoIdentityProviderClient,
  userPoolId: string,
): IdentityProvider {
  const pool = { UserPoolId: userPoolId };
  return {
    ...createAccountAdministration(client, userPoolId),
    ...createRoleAdministration(client, userPoolId),
    createUser: (user, signal) =>
      atProvider(signal, async (abortSignal) => {
        const { User } = await client.send(
          new AdminCreateUserCommand({
            ...pool,
            Username: user.email,
            UserAttributes: attributesOf(user),
            MessageAction: 'SUPPRESS',
            DesiredDeliveryMediums: ['EMAIL'],
          }),
          { abortSignal },
        );
        return { username: User?.Username ?? user.email, sub: valueOf(User?.Attributes, 'sub') };
      }),
    readUser: async (username, signal) => {
      try {
        return await atProvider(signal, async (abortSignal) => {
          const user = await client.send(new AdminGetUserCommand({ ...pool, Username: username }), {
            abortSignal,
          });
          return {
            username: user.Username ?? username,
            sub: valueOf(user.UserAttributes, 'sub'),
            mark: valueOf(user.UserAttributes, MARK_ATTRIBUTE) || null,
            status: user.UserStatus ?? 'UNKNOWN',
            enabled: user.Enabled ?? true,
            email: valueOf(user.UserAttributes, 'email'),
            emailVerified: valueOf(user.UserAttributes, 'email_verified') === 'true',
            phoneNumber: valueOf(user.UserAttributes, 'phone_number') || null,
            secondFactors: user.UserMFASettingList ?? [],
            firstName: valueOf(user.UserAttributes, 'given_name') || null,
            lastName: valueOf(user.UserAttributes, 'family_name') || null,
            createdAt: user.UserCreateDate ?? new Date(0),
          };
        });
      } catch (error) {
        if (error instanceof Error && error.name === 'UserNotFoundException') return null;
        throw error;
      }
    },
    deleteUser: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        await client.send(new AdminDeleteUserCommand({ ...pool, Username: username }), {
          abortSignal,
        });
      }),
    setPassword: (username, password, signal) =>
      atProvider(signal, async (abortSignal) => {
        const Password = password.reveal();
        await client.send(
          new AdminSetUserPasswordCommand({
            ...pool,
            Username: username,
            Password,
            Permanent: true,
          }),
          { abortSignal },
        );
      }),
    sendInvitation: (username, signal) =>
      atProvider(
        signal,
        async (abortSignal) => {
          await client.send(
            new AdminCreateUserCommand({
              ...pool,
              Username: username,
              MessageAction: 'RESEND',
              DesiredDeliveryMediums: ['EMAIL'],
            }),
            { abortSignal, requestTimeout: INVITATION_TIMEOUT_MS },
          );
        },
        INVITATION_TIMEOUT_MS,
      ),
    listUsers: (page, signal) =>
      atProvider(signal, async (abortSignal) => {
        // No AttributesToGet: Cognito refuses a custom attribute that some user does not have.
        const { Users, PaginationToken } = await client.send(
          new ListUsersCommand({
            ...pool,
            Limit: LARGEST_PAGE,
            ...(page === null ? {} : { PaginationToken: page }),
          }),
          { abortSignal },
        );
        const users = (Users ?? []).map((user) => ({
          username: user.Username ?? '',
          sub: valueOf(user.Attributes, 'sub'),
          mark: valueOf(user.Attributes, MARK_ATTRIBUTE) || null,
          createdAt: user.UserCreateDate ?? new Date(0),
        }));
        return { users, next: PaginationToken ?? null };
      }),
  };
}

function attributesOf(user: NewUser): AttributeType[] {
  const attributes: Record<string, string | null> = {
    ...user.attributes,
    email: user.email,
    email_verified: String(user.emailVerified),
    preferred_username: user.username,
    given_name: user.firstName,
    family_name: user.lastName,
    [MARK_ATTRIBUTE]: user.mark,
  };
  return Object.entries(attributes).flatMap(([Name, Value]) =>
    Value === null ? [] : [{ Name, Value }],
  );
}
