import { createRequire } from 'node:module';
import { ServiceError } from './service-error.ts';
import { createStores } from './store.ts';
import { givenPoolId } from './given-id.ts';

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
  Mutable?: boolean;
  Required?: boolean;
  StringAttributeConstraints?: { MaxLength?: string };
}

/** A user pool of cognito-local, as far as the sandbox reads it. */
export interface Pool {
  readonly options: {
    Id: string;
    UsernameAttributes?: string[];
    UsernameConfiguration?: { CaseSensitive?: boolean };
    SchemaAttributes?: SchemaAttribute[];
    Policies?: { PasswordPolicy?: PasswordPolicy };
    UserPoolTags?: Record<string, string>;
    AdminCreateUserConfig?: { AllowAdminCreateUserOnly?: boolean };
    DeletionProtection?: string;
    UserAttributeUpdateSettings?: object;
  };
  updateOptions(ctx: unknown, options: Pool['options']): Promise<void>;
  getUserByUsername(ctx: unknown, username: string): Promise<User | null>;
  getUserByRefreshToken(ctx: unknown, token: string): Promise<User | null>;
  getGroupByGroupName(ctx: unknown, name: string): Promise<unknown>;
  saveUser(ctx: unknown, user: User): Promise<void>;
  saveAppClient(ctx: unknown, client: AppClient): Promise<void>;
  deleteAppClient(ctx: unknown, client: AppClient): Promise<void>;
}

export interface AppClient {
  ClientId: string;
  ClientName?: string;
  UserPoolId: string;
  ClientSecret?: string;
  EnableTokenRevocation?: boolean;
  ExplicitAuthFlows?: string[];
  PreventUserExistenceErrors?: string;
  RefreshTokenRotation?: { Feature?: string; RetryGracePeriodSeconds?: number };
  WriteAttributes?: string[];
}

export type Body = { [key: string]: unknown };

export interface Engine {
  /** Runs one API operation of cognito-local. Throws `ServiceError`. */
  invoke(operation: string, body: Body): Promise<Body>;
  pool(id: string): Promise<Pool>;
  client(id: string): Promise<AppClient | null>;
  flushed(): Promise<void>;
  readonly ctx: unknown;
}

interface CognitoService {
  createUserPool(ctx: unknown, options: Pool['options']): Promise<unknown>;
  getUserPool(ctx: unknown, id: string): Promise<Pool>;
  getAppClient(ctx: unknown, id: string): Promise<AppClient | null>;
}

type Constructor<T> = new (...args: unknown[]) => T;

const require = createRequire(import.meta.url);

function load(path: string, name: string): unknown {
  return (require(`cognito-local/lib/${path}`) as Record<string, unknown>)[name];
}

const quiet = (): void => {};
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };

/** A code that cognito-local would have sent by mail. */
export type OnCode = (code: { poolId: string; user: User; source: string; code: string }) => void;

/**
 * cognito-local in this process, over our own store. Its own server is left out: it loads
 * the whole AWS SDK 2, and answers with errors that the real service does not have.
 */
export async function createEngine(
  directory: string,
  issuerBase: string,
  onCode: OnCode,
): Promise<Engine> {
  const ctx = { logger };
  const stores = createStores(directory);
  const clock = { get: () => new Date() };
  const triggers = { enabled: () => false };
  const PoolFactory = load(
    'services/userPoolService.js',
    'UserPoolServiceFactoryImpl',
  ) as Constructor<unknown>;
  const ServiceFactory = load(
    'services/cognitoService.js',
    'CognitoServiceFactoryImpl',
  ) as Constructor<{ create(ctx: unknown, defaults: object): Promise<CognitoService> }>;
  const TokenGenerator = load(
    'services/tokenGenerator.js',
    'JwtTokenGenerator',
  ) as Constructor<unknown>;
  const router = load('server/Router.js', 'Router') as (
    services: object,
  ) => (target: string) => Route;
  const pools = new PoolFactory(clock, stores);
  const service = await new ServiceFactory(directory, stores, pools).create(ctx, {});
  const cognito = withGivenPoolIds(service);
  const messages = {
    deliver: async (...sent: Delivery) => {
      const [, source, , poolId, user, code] = sent;
      onCode({ poolId, user, source, code });
    },
  };
  const route = router({
    clock,
    cognito,
    messages,
    triggers,
    otp: load('services/otp.js', 'otp'),
    tokenGenerator: new TokenGenerator(clock, triggers, { IssuerDomain: issuerBase }),
  });
  return {
    ctx,
    flushed: () => stores.flushed(),
    invoke: (operation, body) => route(operation)(ctx, body).catch(rethrow),
    pool: async (id) => {
      try {
        return await cognito.getUserPool(ctx, id);
      } catch {
        throw new ServiceError('ResourceNotFoundException', `User pool ${id} does not exist.`);
      }
    },
    client: (id) => cognito.getAppClient(ctx, id),
  };
}

// Behind cognito-local's own operation, so that a given pool gets all that any pool gets.
function withGivenPoolIds(service: CognitoService): CognitoService {
  const make = service.createUserPool.bind(service);
  const createUserPool: CognitoService['createUserPool'] = (ctx, options) =>
    make(ctx, { ...options, Id: givenPoolId(options) ?? options.Id });
  return Object.assign(service, { createUserPool });
}

/** Arguments of cognito-local's `deliver`: context, source, client, pool, user, code. */
type Delivery = [unknown, string, unknown, string, User, string];

type Route = (ctx: unknown, body: Body) => Promise<Body>;

function rethrow(error: unknown): never {
  const { code, message } = error as { code?: unknown; message?: string };
  if (typeof code === 'string' && code.endsWith('Exception')) {
    throw new ServiceError(code, message ?? code);
  }
  const unsupported = /nsupported|AuthFlow=|ChallengeName=|MessageAction=/.test(message ?? '');
  if (unsupported) {
    throw new ServiceError('UnsupportedOperationException', message ?? 'not supported');
  }
  throw new ServiceError('InternalErrorException', message ?? 'internal error', 500);
}
