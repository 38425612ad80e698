import { setTimeout as sleep } from 'node:timers/promises';
import { createEngine } from './engine.ts';
import type { Call, Fault, Rule } from './fault-plan.ts';
import { asSeenBy, changedUnseen, createdUnseen, isUnseen } from './lagging-writes.ts';
import { type Mailbox, openMailbox } from './mailbox.ts';
import type { Body, Engine, OnCode, Pool, User } from './model.ts';
import { perform, type Request } from './operations.ts';
import {
  type CallCount,
  createPoolRecord,
  recordCall,
  type PoolRecord,
  setRules,
} from './pool-record.ts';
import { notAuthorized, ServiceError, userNotFound } from './service-error.ts';
import { createStores } from './store.ts';
import { claimsOf, type Signer } from './tokens.ts';
import { emailOf, findUser } from './users.ts';

/** The connection is to be cut without an answer. */
export const CUT = Symbol('cut');

export interface Sandbox {
  readonly engine: Engine;
  /** Answers one call, or `CUT`. Throws `ServiceError`. */
  handle(operation: string, body: Body): Promise<Body | typeof CUT>;
  readonly mailbox: Mailbox;
  recordOf(poolId: string): PoolRecord;
  readonly records: ReadonlyMap<string, PoolRecord>;
  /** Faults of all pools, beside those of one pool. */
  rules(): readonly Rule[];
  setRules(rules: readonly Rule[]): void;
  close(): Promise<void>;
}

export interface SandboxOptions {
  /** Folder of what belongs to no pool. */
  readonly home: string;
  /** Folder of the pools. */
  readonly directory: string;
  readonly endpoint: string;
  readonly signer: Signer;
  readonly rules: readonly Rule[];
}

export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const records = new Map<string, PoolRecord>();
  const everywhere = createPoolRecord();
  setRules(everywhere, options.rules);
  const recordOf = (poolId: string): PoolRecord => {
    const record = records.get(poolId) ?? createPoolRecord();
    records.set(poolId, record);
    return record;
  };
  const mailbox = await openMailbox(createStores(options.home));
  // Pools whose operation under way is to deliver nothing: each has one at a time.
  const undeliverable = new Set<string>();
  const onCode: OnCode = ({ poolId, user, to, source, code }) => {
    if (undeliverable.has(poolId)) return;
    const at = new Date().toISOString();
    mailbox.add({ at, poolId, to, username: user.Username, source, code });
  };
  const engine = await createEngine({ ...options, onCode });
  const oneAtATime = createPoolLocks();
  const late = new Set<NodeJS.Timeout>();
  const closing = new AbortController();

  /** Runs the operation alone in its pool: updates read, wait and write. */
  const effect = async (
    request: Request,
    faults: readonly Fault[],
    { count, cameAt }: Came,
  ): Promise<Body> => {
    const { operation, pool } = request;
    const poolId = pool?.options.Id ?? '';
    const record = recordOf(poolId);
    const answer = await oneAtATime(poolId, async () => {
      const whom = await userOf(request);
      if (whom && isUnseen(record, whom.Username, operation)) throw userNotFound();
      if (faults.some(({ kind }) => kind === 'deliveryFailure')) undeliverable.add(poolId);
      else undeliverable.delete(poolId);
      const unseen = pool ? await changedUnseen(pool, operation, whom, faults) : [];
      const seen = pool && asSeenBy(pool, record, operation);
      const done = await perform(
        { ...request, pool: seen },
        {
          engine,
          invite: (at) => (user, code) => {
            const source = 'AdminCreateUser';
            onCode({ poolId: at.options.Id, user, to: emailOf(user), source, code });
          },
          overlooks: ({ Username }) => {
            const apart = Math.abs(cameAt - (record.createCame.get(Username) ?? -Infinity));
            return faults.some((fault) => fault.kind === 'duplicate' && apart < fault.ms);
          },
        },
      );
      if (operation === 'AdminCreateUser') {
        if (request.body['MessageAction'] !== 'RESEND') recordCreatedAt(record, done, cameAt);
        unseen.push(...createdUnseen(done, faults));
      }
      record.lagging.push(...unseen);
      return done;
    });
    if (operation === 'DeleteUserPool') {
      records.delete(poolId);
      mailbox.clear(poolId);
    }
    await Promise.all([engine.flushed(), mailbox.flushed()]);
    count.done += 1;
    return answer;
  };

  const landLater = (record: PoolRecord, lateMs: number, run: () => Promise<unknown>): void => {
    record.late += 1;
    const timer = setTimeout(() => {
      late.delete(timer);
      void run().finally(() => {
        record.late -= 1;
      });
    }, lateMs);
    late.add(timer);
  };

  return {
    engine,
    mailbox,
    recordOf,
    records,
    rules: () => everywhere.rules,
    setRules: (rules) => setRules(everywhere, rules),
    async handle(operation, body) {
      const pool = await poolOf(engine, body);
      const record = recordOf(pool?.options.Id ?? '');
      const request = { operation, body, pool };
      const came = { count: recordCall(record, operation), cameAt: Date.now() };
      const call = await describe(request);
      const faults = [...record.faults.meet(call), ...everywhere.faults.meet(call)];
      for (const fault of faults) {
        if (fault.kind === 'latency') await sleep(fault.ms);
      }
      const first = faults.find(endsCall);
      if (first?.kind === 'replyLost') {
        const cut = delay(first.cutAfterMs ?? 0, closing.signal);
        if (first.effect === 'after') {
          const run = () => effect(request, faults, came).catch(() => undefined);
          if (first.lateMs === undefined) await run();
          else landLater(record, first.lateMs, run);
        }
        await cut;
        return CUT;
      }
      if (first?.kind === 'server' && first.lateMs !== undefined) {
        landLater(record, first.lateMs, () => effect(request, faults, came).catch(() => undefined));
      }
      if (first !== undefined && first.kind !== 'deliveryFailure') throw refusalOf(first);
      const answer = await effect(request, faults, came);
      if (first?.kind === 'deliveryFailure') throw refusalOf(first);
      return answer;
    },
    async close() {
      closing.abort();
      for (const timer of late) clearTimeout(timer);
      await Promise.all([engine.flushed(), mailbox.flushed()]);
    },
  };
}

/** What a call is counted in, and when it came. */
interface Came {
  readonly count: CallCount;
  readonly cameAt: number;
}

type Unanswering = Extract<Fault, { kind: 'latency' | 'lag' | 'duplicate' }>;
type Refusal = Exclude<Fault, Unanswering | { kind: 'replyLost' }>;

const endsCall = (fault: Fault): fault is Exclude<Fault, Unanswering> =>
  !['latency', 'lag', 'duplicate'].includes(fault.kind);

function refusalOf(fault: Refusal): ServiceError {
  switch (fault.kind) {
    case 'server':
      return fault.status === 500
        ? new ServiceError('InternalErrorException', 'Something went wrong', 500)
        : new ServiceError('ServiceUnavailable', 'Service Unavailable', 503);
    case 'throttle':
      return new ServiceError('TooManyRequestsException', 'Rate exceeded');
    case 'deliveryFailure':
      return new ServiceError('CodeDeliveryFailureException', 'Failed to deliver the message');
    case 'refused':
      return new ServiceError(fault.error ?? 'NotAuthorizedException', 'Not authorized');
    case 'error':
      return new ServiceError(fault.error, `${fault.error} by fault plan`, fault.status);
  }
}

function recordCreatedAt(record: PoolRecord, answer: Body, cameAt: number): void {
  record.createCame.set((answer['User'] as User).Username, cameAt);
}

async function poolOf(engine: Engine, body: Body): Promise<Pool | undefined> {
  if (typeof body['UserPoolId'] === 'string') return engine.pool(body['UserPoolId']);
  const token = typeof body['AccessToken'] === 'string' ? body['AccessToken'] : undefined;
  const ofSession = token === undefined && body['ClientId'] === undefined && body['Session'];
  if (ofSession) return poolOfSession(engine, ofSession);
  const clientId = token === undefined ? body['ClientId'] : claimsOf(token)['client_id'];
  if (token === undefined && clientId === undefined) return undefined;
  const client = await engine.client(String(clientId));
  if (client) return engine.pool(client.UserPoolId);
  if (token !== undefined) throw notAuthorized('Invalid Access Token');
  throw new ServiceError('ResourceNotFoundException', `User pool client does not exist.`);
}

/** The session of a challenge names the pool where neither a client nor a token does. */
async function poolOfSession(engine: Engine, session: unknown): Promise<Pool> {
  const challenge = engine.challenges.peek(session);
  if (challenge) return engine.pool(challenge.poolId);
  throw notAuthorized('Invalid session for the user.');
}

async function userOf({ body, pool }: Request): Promise<User | undefined> {
  const parameters = body['AuthParameters'] as Body | undefined;
  const name = body['Username'] ?? parameters?.['USERNAME'];
  if (pool === undefined || typeof name !== 'string') return undefined;
  return findUser(pool, name).catch(() => undefined);
}

async function describe(request: Request): Promise<Call> {
  const user = await userOf(request);
  const { operation, body } = request;
  const asked = typeof body['Username'] === 'string' ? body['Username'] : '';
  return {
    operation,
    username: user?.Username ?? asked,
    email: user ? emailOf(user) : asked,
    group: typeof body['GroupName'] === 'string' ? body['GroupName'] : '',
  };
}

/** Ends early, without an error, when the sandbox closes. */
async function delay(ms: number, closing: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal: closing }).catch(() => undefined);
}

/** One after the other per key. */
function createPoolLocks(): <T>(key: string, run: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (key, run) => {
    const before = last.get(key) ?? Promise.resolve();
    const turn = before.then(run, run);
    last.set(key, turn);
    return turn;
  };
}
