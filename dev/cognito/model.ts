import type { Challenges } from './challenges.ts';
import type { Signer } from './tokens.ts';

export type Body = { [key: string]: unknown };

export interface Attribute {
  Name: string;
  Value?: string;
}

export interface User {
  Username: string;
  Password: string;
  Attributes: Attribute[];
  Enabled: boolean;
  UserStatus: string;
  UserCreateDate: Date;
  UserLastModifiedDate: Date;
  RefreshTokens: string[];
  /** The code of ForgotPassword. */
  ConfirmationCode?: string | undefined;
  /** The code that verifies the e-mail address. */
  AttributeVerificationCode?: string | undefined;
  /** New values that count once they are verified. */
  UnverifiedAttributeChanges?: Attribute[] | undefined;
  SoftwareToken?: { SecretCode: string; Verified: boolean };
  /** The second factors that are asked for. */
  UserMFASettingList?: string[];
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
  UserAttributeUpdateSettings?: { AttributesRequireVerificationBeforeUpdate?: string[] };
  [setting: string]: unknown;
}

export interface Pool {
  readonly options: PoolOptions;
  updateOptions(options: PoolOptions): Promise<void>;
  /** By username or `sub`, and by e-mail address where that is a username of the pool. */
  getUserByUsername(username: string): Promise<User | null>;
  getUserByRefreshToken(token: string): Promise<User | null>;
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

/** A code that Cognito would send by mail. */
export type OnCode = (code: { poolId: string; user: User; source: string; code: string }) => void;

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
  readonly challenges: Challenges;
  readonly signer: Signer;
  /** The issuer of a pool's tokens is `<endpoint>/<pool id>`. */
  readonly endpoint: string;
  readonly onCode: OnCode;
  /** Resolves when all changes made before this call are on disk. */
  flushed(): Promise<void>;
}
