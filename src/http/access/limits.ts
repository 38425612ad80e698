import { createHash } from 'node:crypto';
import { caseless } from '../../domain/username.ts';
import { networksOf } from './client-address.ts';
import {
  createSharedLimit,
  type LimitOptions,
  type LimitStore,
  type SharedLimit,
} from './shared-limit.ts';

/** A client asks too often. */
export class RateLimited extends Error {
  override readonly name = 'RateLimited';
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super('rate limited');
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Account calls with a limit per hour, each counted by itself. `code_request`: a mail with a code or a
 * temporary password; `code_check`: a code is compared; `challenge`: the code of a sign-in is compared,
 * which takes the password first, so that nobody without it keeps the owner out; `password_change`: a
 * new password is set. */
export type AccountCall = 'code_request' | 'code_check' | 'challenge' | 'password_change';

/** Limits of the public doors. Each throws RateLimited. An address is what ClientAddress returns. */
export interface Limits {
  signUp(address: string, email: string): Promise<void>;
  /** Any public request of the session door. */
  sessionCall(address: string): Promise<void>;
  /**
   * Must be called before a password is checked, so that parallel guesses are counted too.
   * @param account one name per account, whether it exists or not; case is ignored
   * @returns a function that gives the count back; call it if the password was correct
   */
  passwordCheck(address: string, account: string): Promise<() => Promise<void>>;
  /**
   * Must be called before anything is looked up, with the name that was sent: so an unknown name is
   * limited like a known one. A person with a token is counted by their id.
   * @returns a function that gives the count back; only for a code, if it was correct
   */
  accountCall(call: AccountCall, address: string, name: string): Promise<() => Promise<void>>;
}

/**
 * A client that owns an IPv6 /48 or /56 can send each request from another /64 of it. So each of these
 * networks has its own limit: the limit of one address times `factor`. IPv4 has only the first tier.
 */
const IPV6_TIERS = [
  { prefixLength: 64, factor: 1 },
  { prefixLength: 56, factor: 2 },
  { prefixLength: 48, factor: 3 },
] as const;
/** An office behind one address signs in together in the morning. */
const SESSION_CALLS_PER_ADDRESS = 300;
/** Wrong passwords for one account from one address: more than a person types, fewer than an attacker
 * needs. The owner can still sign in from other addresses. */
const WRONG_PASSWORDS_PER_ADDRESS = 20;
/** Wrong passwords for one account from all addresses, against a botnet. Higher than the limit of the
 * largest network of one client, so that a single client cannot lock the owner out. */
const WRONG_PASSWORDS_PER_ACCOUNT = 100;

const HOUR_SECONDS = 3600;
/** Per name and per address, in an hour. Below Cognito's own limits for a user (5 codes, 5 changes of a
 * password, 15 verifications), whose errors would show which names exist. */
const ACCOUNT_CALLS: Readonly<Record<AccountCall, { perName: number; perAddress: number }>> = {
  code_request: { perName: 4, perAddress: 40 },
  code_check: { perName: 10, perAddress: 100 },
  challenge: { perName: 10, perAddress: 100 },
  password_change: { perName: 4, perAddress: 40 },
};

const GIVES_BACK: ReadonlySet<AccountCall> = new Set(['code_check', 'challenge']);

/** Counts in PostgreSQL, so that all API processes share the counts. */
export function createLimits(store: LimitStore, registerPerMinute: number): Limits {
  const signUps = addressLimit(store, { name: 'signup-address', points: registerPerMinute });
  const signUpsOfEmail = createSharedLimit(store, {
    name: 'signup-account',
    points: registerPerMinute,
  });
  const sessionCalls = addressLimit(store, {
    name: 'session-address',
    points: SESSION_CALLS_PER_ADDRESS,
  });
  const wrongPasswords = addressLimit(store, {
    name: 'password-address',
    points: WRONG_PASSWORDS_PER_ADDRESS,
    givesBack: true,
  });
  const wrongPasswordsInAll = createSharedLimit(store, {
    name: 'password-account',
    points: WRONG_PASSWORDS_PER_ACCOUNT,
    givesBack: true,
  });
  const accountCalls = {
    code_request: accountLimit(store, 'code_request'),
    code_check: accountLimit(store, 'code_check'),
    challenge: accountLimit(store, 'challenge'),
    password_change: accountLimit(store, 'password_change'),
  };
  return {
    signUp: async (address, email) => {
      await countAll([...signUps(address), { limit: signUpsOfEmail, key: digestOf(email) }]);
    },
    sessionCall: async (address) => await countAll(sessionCalls(address)),
    passwordCheck: async (address, account) => {
      const digest = digestOf(account);
      const counts = [
        ...wrongPasswords(address, `${digest}:`),
        { limit: wrongPasswordsInAll, key: digest },
      ];
      return await countWithReturn(counts);
    },
    accountCall: async (call, address, name) =>
      await countWithReturn(accountCalls[call](address, name)),
  };
}

interface Count {
  readonly limit: SharedLimit;
  readonly key: string;
}

/** @returns the counts of an account call, those of the address first */
function accountLimit(
  store: LimitStore,
  call: AccountCall,
): (address: string, name: string) => Count[] {
  const { perName, perAddress } = ACCOUNT_CALLS[call];
  const options = { windowSeconds: HOUR_SECONDS, givesBack: GIVES_BACK.has(call) };
  const byAddress = addressLimit(store, {
    ...options,
    name: `${call}-address`,
    points: perAddress,
  });
  const limit = createSharedLimit(store, { ...options, name: `${call}-name`, points: perName });
  return (address, name) => [...byAddress(address), { limit, key: digestOf(name) }];
}

/** A limit per address and its wider networks. @returns the counts of an address, narrowest first */
function addressLimit(
  store: LimitStore,
  options: LimitOptions,
): (address: string, keyPrefix?: string) => Count[] {
  const tiers = IPV6_TIERS.map(({ prefixLength, factor }) => ({
    prefixLength,
    limit: createSharedLimit(store, { ...options, points: options.points * factor }),
  }));
  const prefixLengths = tiers.map(({ prefixLength }) => prefixLength);
  return (address, keyPrefix = '') => {
    const networks = networksOf(address, prefixLengths);
    return tiers
      .slice(0, networks.length)
      .map(({ limit }, index) => ({ limit, key: `${keyPrefix}${networks[index]}` }));
  };
}

/**
 * Counts one more for each, in this order: what a narrower limit refuses does not use up a wider one.
 * A network known to be over its limit comes first, so that its addresses cost no row each.
 * @throws RateLimited
 */
async function countAll(counts: readonly Count[]): Promise<void> {
  refuseOver(Math.max(...counts.map(({ limit, key }) => limit.msKnownOver(key))));
  const store = { isAway: false };
  for (const { limit, key } of counts) refuseOver(await limit.consume(key, store));
}

/** @returns a function that gives the counts back */
async function countWithReturn(counts: readonly Count[]): Promise<() => Promise<void>> {
  await countAll(counts);
  return async () => {
    await Promise.all(counts.map(({ limit, key }) => limit.giveBack(key)));
  };
}

function refuseOver(ms: number): void {
  if (ms > 0) throw new RateLimited(Math.ceil(ms / 1000));
}

/** E-mail addresses and usernames belong in the ledger only, where they can be erased. */
function digestOf(name: string): string {
  return createHash('sha256').update(caseless(name)).digest('base64url');
}
