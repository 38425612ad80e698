import { type Fault, MAY_LAG } from './fault-plan.ts';
import type { Body, Group, Pool, User } from './model.ts';
import type { LaggingWrite, PoolRecord } from './pool-record.ts';
import { isNamed } from './pool-store.ts';
import { groupsOf } from './users.ts';

/**
 * The consistency of the service where a fault plan asks for it: for a while, some operations see a user
 * as the user was before a write.
 */

/** Without `hides`, the effect of a write is missing from these; a user who was created is missing from
 * all operations. */
const LISTS: readonly string[] = ['ListUsers', 'ListUsersInGroup', 'AdminListGroupsForUser'];
const READS = new Set([...LISTS, 'AdminGetUser']);

type Lag = Extract<Fault, { kind: 'lag' }>;

const lagsOf = (faults: readonly Fault[]): Lag[] => faults.filter((fault) => fault.kind === 'lag');

/** Before a write to a user: what the faults that it meets are to hide of it. */
export async function changedUnseen(
  pool: Pool,
  operation: string,
  before: User | undefined,
  faults: readonly Fault[],
): Promise<LaggingWrite[]> {
  const lags = operation !== 'AdminCreateUser' && MAY_LAG.has(operation) ? lagsOf(faults) : [];
  if (!before || lags.length === 0) return [];
  const username = before.Username;
  const groupsBefore = (await groupsOf(pool, username)).map(({ GroupName }) => GroupName);
  return lags.map(({ ms, hides = LISTS }) => ({
    until: Date.now() + ms,
    hiddenFrom: hides,
    username,
    before,
    groupsBefore,
  }));
}

/** After a create: that the faults that it met are to hide the user. */
export function createdUnseen(answer: Body, faults: readonly Fault[]): LaggingWrite[] {
  const { Username: username } = answer['User'] as User;
  return lagsOf(faults).map(({ ms, hides }) => ({
    until: Date.now() + ms,
    hiddenFrom: hides,
    username,
    before: null,
    groupsBefore: [],
  }));
}

/** Whether an operation does not see a new user yet. */
export function isUnseen(record: PoolRecord, username: string, operation: string): boolean {
  if (operation === 'AdminCreateUser') return false;
  const writes = unseenBy(record, operation);
  return writes.some((write) => write.before === null && write.username === username);
}

/** The pool as an operation that reads sees it; the pool itself for one that writes. */
export function asSeenBy(pool: Pool, record: PoolRecord, operation: string): Pool {
  const writes = READS.has(operation) ? unseenBy(record, operation) : [];
  if (writes.length === 0) return pool;
  // Of several writes to one user the oldest says what is still seen: so they are entered from the newest.
  const past = new Map(writes.toReversed().map((write) => [write.username, write]));
  const pastOnes = [...past.values()];
  const groupThen = (group: Group): Group => {
    const others = (group.members ?? []).filter((username) => !past.has(username));
    const then = pastOnes.filter(({ groupsBefore }) => groupsBefore.includes(group.GroupName));
    return { ...group, members: [...others, ...then.map(({ username }) => username)] };
  };
  return {
    ...pool,
    options: pool.options,
    async getUserByUsername(name) {
      const now = await pool.getUserByUsername(name);
      const write = pastOnes.find(({ username, before }) =>
        now ? username === now.Username : before && isNamed(before, name, pool.options),
      );
      return write ? write.before : now;
    },
    async listUsers() {
      const others = (await pool.listUsers()).filter(({ Username }) => !past.has(Username));
      return [...others, ...pastOnes.flatMap(({ before }) => before ?? [])];
    },
    listGroups: async () => (await pool.listGroups()).map(groupThen),
    async getGroupByGroupName(name) {
      const group = await pool.getGroupByGroupName(name);
      return group && groupThen(group);
    },
  };
}

function unseenBy(record: PoolRecord, operation: string): LaggingWrite[] {
  const now = Date.now();
  record.lagging = record.lagging.filter(({ until }) => until > now);
  return record.lagging.filter(({ hiddenFrom }) => hiddenFrom?.includes(operation) ?? true);
}
