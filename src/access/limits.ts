import { createHash } from 'node:crypto';
import {
  RateLimiterDrizzle,
  RateLimiterMemory,
  RateLimiterRes,
  RLWrapperTimeouts,
} from 'rate-limiter-flexible';
import { caseless } from '../domain/username.ts';

/** Somebody asks too often. */
export class RateLimited extends Error {
  override readonly name = 'RateLimited';
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super('rate limited');
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** What public doors may be asked for, per address and per account. Each throws RateLimited. */
export interface Limits {
  signUp(address: string, email: string): Promise<void>;
  /** @param name an e-mail address or username, in any case, whether it exists or not */
  signIn(address: string, name: string): Promise<void>;
  refresh(address: string): Promise<void>;
}

export interface LimitStore {
  /** A drizzle database, and its table of `key`, `points` and `expire`. */
  readonly db: object;
  readonly table: object;
}

const WINDOW_SECONDS = 60;
/** Above what a person types, below what a guesser needs; Cognito's own back-off comes on top. */
const SIGN_INS_PER_ACCOUNT = 20;
/** An office behind one address signs in together in the morning. */
const SESSION_CALLS_PER_ADDRESS = 300;
/** A store that does not answer in this time, as long as a statement may wait for a lock, counts as
 * away: then each process counts for itself. */
const STORE_MS = 3000;

/** Counts in PostgreSQL, so that all API processes share the counts. */
export function createLimits(store: LimitStore, registerPerMinute: number): Limits {
  const limit = (name: string, points: number) => limitOf(store, name, points);
  const signUpAddress = limit('signup-address', registerPerMinute);
  const signUpAccount = limit('signup-account', registerPerMinute);
  const sessionAddress = limit('session-address', SESSION_CALLS_PER_ADDRESS);
  const signInAccount = limit('signin-account', SIGN_INS_PER_ACCOUNT);
  return {
    signUp: async (address, email) => {
      await signUpAddress(address);
      await signUpAccount(digestOf(email));
    },
    signIn: async (address, name) => {
      await sessionAddress(address);
      await signInAccount(digestOf(name));
    },
    refresh: sessionAddress,
  };
}

/** Counts one more for a key. */
type Limit = (key: string) => Promise<void>;

function limitOf({ db, table }: LimitStore, name: string, points: number): Limit {
  const options = { keyPrefix: name, points, duration: WINDOW_SECONDS };
  const limiter = new RLWrapperTimeouts({
    timeoutMs: STORE_MS,
    limiter: new RateLimiterDrizzle({
      ...options,
      storeClient: db,
      schema: table,
      clearExpiredByTimeout: false,
      // Whoever is over the limit costs no statement.
      inMemoryBlockOnConsumed: points,
      insuranceLimiter: new RateLimiterMemory(options),
    }),
  });
  return async (key) => {
    try {
      await limiter.consume(key);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      throw new RateLimited(Math.max(1, Math.ceil(error.msBeforeNext / 1000)));
    }
  };
}

/** Addresses and names of people belong in the ledger only, where they can be erased. */
function digestOf(name: string): string {
  return createHash('sha256').update(caseless(name)).digest('base64url');
}
