import { RateLimiterDrizzle, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

export interface LimitStore {
  /** A drizzle database, and its table of `key`, `points` and `expire`. */
  readonly db: object;
  readonly table: object;
}

export interface LimitOptions {
  /** Prefix of the keys in the store. */
  readonly name: string;
  /** How many the window takes. */
  readonly points: number;
  /** Default: a minute. */
  readonly windowSeconds?: number;
  /** Whether `giveBack` is used. Then the store is asked each time, even for a key over the limit. */
  readonly givesBack?: boolean;
}

/** Whether one request found the store unavailable: a request waits for the store only once. */
export interface StoreState {
  isAway: boolean;
}

/** A limit per key and window, counted in PostgreSQL for all API processes together. While the store
 * is away, or does not answer in time, this process counts in memory. */
export interface SharedLimit {
  /** How long the key is known to be over the limit without asking the store, in ms; 0 if unknown. */
  msKnownOver(key: string): number;
  /** Counts one more. @returns 0, or over the limit the ms until the window ends */
  consume(key: string, store: StoreState): Promise<number>;
  giveBack(key: string): Promise<void>;
}

const MINUTE_SECONDS = 60;
/** As long as a statement may wait for a lock. */
const STORE_MS = 3000;

/** The library's own method, which its types leave out. */
interface WithBlockedKeys {
  getInMemoryBlockMsBeforeExpire(storeKey: string): number;
}

/** A request that waits for its count. */
interface Waiting {
  readonly store: StoreState;
  /** @param msOver what `consume` returns */
  done(msOver: number): void;
}

export function createSharedLimit(
  { db, table }: LimitStore,
  { name, points, windowSeconds = MINUTE_SECONDS, givesBack = false }: LimitOptions,
): SharedLimit {
  const options = { keyPrefix: name, points, duration: windowSeconds };
  const memory = new RateLimiterMemory(options);
  const shared = new RateLimiterDrizzle({
    ...options,
    storeClient: db,
    schema: table,
    clearExpiredByTimeout: false,
    // A key over the limit costs no statement. This cannot be used with `giveBack`: the library would
    // keep refusing a key that is below its limit again.
    ...(givesBack ? {} : { inMemoryBlockOnConsumed: points }),
  }) as RateLimiterDrizzle & WithBlockedKeys;
  /** Requests by key that arrived while a statement for that key was running. The next statement counts
   * all of them. Otherwise a thousand parallel guesses would overload the store. */
  const queues = new Map<string, Waiting[]>();

  const countInMemory = async (key: string, batch: readonly Waiting[]) => {
    for (const { store } of batch) store.isAway = true;
    answer(batch, points, await verdict(memory.consume(key, batch.length)));
  };
  const countQueued = async (key: string, queue: Waiting[]) => {
    while (queue.length > 0) {
      const batch = queue.splice(0);
      try {
        const asked = verdict(shared.consume(key, batch.length));
        answer(batch, points, await inTime(asked));
      } catch {
        // Requests that arrived in the meantime have waited too.
        await countInMemory(key, [...batch, ...queue.splice(0)]);
      }
    }
    queues.delete(key);
  };
  return {
    msKnownOver: (key) => shared.getInMemoryBlockMsBeforeExpire(shared.getKey(key)),
    consume: async (key, store) => {
      const { promise, resolve: done } = Promise.withResolvers<number>();
      const waiting = { store, done };
      const queue = queues.get(key);
      if (store.isAway) await countInMemory(key, [waiting]);
      else if (queue) queue.push(waiting);
      else {
        const own = [waiting];
        queues.set(key, own);
        // Not awaited: this request must not wait for later requests.
        void countQueued(key, own);
      }
      return await promise;
    },
    giveBack: async (key) => {
      await inTime(shared.reward(key)).catch(async () => await memory.reward(key));
    },
  };
}

interface Verdict {
  readonly isOver: boolean;
  readonly result: RateLimiterRes;
}

/** The library rejects with its result where a key is over the limit. */
async function verdict(consuming: Promise<RateLimiterRes>): Promise<Verdict> {
  try {
    return { isOver: false, result: await consuming };
  } catch (error) {
    if (error instanceof RateLimiterRes) return { isOver: true, result: error };
    throw error;
  }
}

/** The first requests of a batch pass, as many as the limit allows. */
function answer(batch: readonly Waiting[], limit: number, { isOver, result }: Verdict): void {
  // The library refused the key without a statement, so nothing was consumed.
  const wasAsked = result.consumedPoints > limit;
  const refused = isOver ? (wasAsked ? result.consumedPoints - limit : batch.length) : 0;
  const msOver = Math.max(1, result.msBeforeNext);
  for (const [index, waiting] of batch.entries()) {
    waiting.done(index < batch.length - refused ? 0 : msOver);
  }
}

/** @throws where the store does not answer in time */
async function inTime<T>(asked: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const giveUp = () => late.reject(new Error('the store did not answer in time'));
  // After a busy event loop, the answer may already have arrived: it is read before an immediate runs.
  const timer = setTimeout(() => setImmediate(giveUp), STORE_MS);
  return await Promise.race([asked, late.promise]).finally(() => clearTimeout(timer));
}
