import type { Challenges } from './challenges.ts';
import type { Signer } from './tokens.ts';

export type Body = { [key: string]: unknown };

export interface Attribute {
  Name: string;
  Value?: string;
}

/** A code that was sent. */
export interface SentCode {
  Code: string;
  /** In milliseconds of the pool's clock. */
  ValidUntil: number;
}

export interface User {
  Username: string;
  Password: string;
  Attributes: Attribute[];
  Enabled: boolean;
  UserStatus: string;
  UserCreateDate: Date;
  UserLastModifiedDate: Date;
  /** When the temporary password was set, in milliseconds of the pool's clock. */
  TemporaryPasswordSetAt?: number;
  RefreshTokens: string[];
  /** Refresh tokens that were rotated and are valid for a grace period, in ms of the pool's clock. */
  RotatedTokens?: { Token: string; ValidUntil: number }[];
  /** The code of ForgotPassword. */
  ConfirmationCode?: SentCode | undefined;
  /** The code that verifies the e-mail address. */
  AttributeVerificationCode?: SentCode | undefined;
  /** New values that count once they are verified. */
  UnverifiedAttributeChanges?: Attribute[] | undefined;
  SoftwareToken?: { SecretCode: string; Verified: boolean };
  /** The second factors that are asked for. */
  UserMFASettingList?: string[];
  /** The one that is asked for first. */
  PreferredMfaSetting?: string | undefined;
}

export interface Group {
  GroupName: string;
  CreationDate: Date;
  LastModifiedDate: Date;
  /** Usernames. */
  members?: string[];
  [setting: string]: unknown;
}

export interface PasswordPolicy {
  MinimumLength?: number;
  RequireUppercase?: boolean;
  RequireLowercase?: boolean;
  RequireNumbers?: boolean;
  RequireSymbols?: boolean;
  TemporaryPasswordValidityDays?: number;
}

export interface SchemaAttribute {
  Name: string;
  AttributeDataType?: string;
  Mutable?: boolean;
  Required?: boolean;
  StringAttributeConstraints?: { MinLength?: string; MaxLength?: string };
}

/** The settings of a pool, as DescribeUserPool shows them. */
export interface PoolOptions {
  Id: string;
  UsernameAttributes?: string[];
  UsernameConfiguration?: { CaseSensitive?: boolean };
  SchemaAttributes?: SchemaAttribute[];
  AutoVerifiedAttributes?: string[];
  Policies?: { PasswordPolicy?: PasswordPolicy };
  UserPoolTags?: Record<string, string>;
  AdminCreateUserConfig?: { AllowAdminCreateUserOnly?: boolean };
  DeletionProtection?: string;
  MfaConfiguration?: string;
  SmsMfaConfiguration?: object;
  SoftwareTokenMfaConfiguration?: { Enabled?: boolean };
  EmailMfaConfiguration?: object;
  UserAttributeUpdateSettings?: { AttributesRequireVerificationBeforeUpdate?: string[] };
  [setting: string]: unknown;
}

export interface Pool {
  readonly options: PoolOptions;
  /** The pool's own clock, in milliseconds since the epoch: codes, sessions and tokens end by it. */
  now(): number;
  /** Sets the clock forward, until the sandbox ends. */
  advanceClock(ms: number): void;
  updateOptions(options: PoolOptions): Promise<void>;
  /** By username or `sub`, and by e-mail address where that is a username of the pool. */
  getUserByUsername(username: string): Promise<User | null>;
  listUsers(): Promise<User[]>;
  saveUser(user: User): Promise<void>;
  /** With its memberships. */
  deleteUser(user: User): Promise<void>;
  getGroupByGroupName(name: string): Promise<Group | null>;
  listGroups(): Promise<Group[]>;
  saveGroup(group: Group): Promise<void>;
}

/** The settings of an app client, as DescribeUserPoolClient shows them. */
export interface AppClient {
  ClientId: string;
  ClientName?: string;
  UserPoolId: string;
  ClientSecret?: string;
  AccessTokenValidity?: number;
  IdTokenValidity?: number;
  RefreshTokenValidity?: number;
  TokenValidityUnits?: { AccessToken?: string; IdToken?: string; RefreshToken?: string };
  /** In minutes. */
  AuthSessionValidity?: number;
  EnableTokenRevocation?: boolean;
  ExplicitAuthFlows?: string[];
  PreventUserExistenceErrors?: string;
  RefreshTokenRotation?: { Feature?: string; RetryGracePeriodSeconds?: number };
  WriteAttributes?: string[];
  [setting: string]: unknown;
}

export interface Clients {
  get(id: string): Promise<AppClient | null>;
  save(client: AppClient): Promise<void>;
  delete(id: string): Promise<void>;
  ofPool(poolId: string): Promise<AppClient[]>;
}

/** A code that Cognito would send by mail or text message. */
export type OnCode = (code: {
  poolId: string;
  user: User;
  /** An address or a phone number. */
  to: string;
  source: string;
  code: string;
}) => void;

/** Operations that the service takes from one user so many times an hour. */
export type CountedOperation =
  | 'ForgotPassword'
  | 'ConfirmForgotPassword'
  | 'GetUserAttributeVerificationCode'
  | 'VerifyUserAttribute'
  | 'ChangePassword';

/** The attempts of users, to refuse those that are too many; forgotten when the sandbox ends. */
export interface Attempts {
  /** Counts one. Throws `LimitExceededException`. */
  count(pool: Pool, user: User, operation: CountedOperation): void;
}

/** One API operation in a pool. Throws `ServiceError`. */
export type Operation = (engine: Engine, pool: Pool, body: Body) => Promise<Body>;

export interface Engine {
  /** Runs one API operation. Throws `ServiceError`.
   * @param pool undefined where the request names none */
  invoke(operation: string, body: Body, pool: Pool | undefined): Promise<Body>;
  /** Throws `ResourceNotFoundException`. */
  pool(id: string): Promise<Pool>;
  createPool(options: PoolOptions): Promise<Pool>;
  /** With its users, groups and app clients. */
  deletePool(id: string): Promise<void>;
  client(id: string): Promise<AppClient | null>;
  readonly clients: Clients;
  pools(): Pool[];
  readonly attempts: Attempts;
  readonly challenges: Challenges;
  readonly signer: Signer;
  /** The issuer of a pool's tokens is `<endpoint>/<pool id>`. */
  readonly endpoint: string;
  readonly onCode: OnCode;
  /** Resolves when all changes made before this call are on disk. */
  flushed(): Promise<void>;
}
