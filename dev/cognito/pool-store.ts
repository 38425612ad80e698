import type { AppClient, Clients, Group, Pool, PoolOptions, User } from './model.ts';
import type { Stores } from './store.ts';

/** The name of the file with the app clients of all pools. */
export const CLIENTS = 'clients';

/** A pool with its users and groups, in a file of its own. `options` is what a new one gets. */
export async function openPool(stores: Stores, options: PoolOptions): Promise<Pool> {
  const store = await stores.create(options.Id, { Users: {}, Options: options });
  const users = (): User[] => Object.values((store.get(['Users']) ?? {}) as Record<string, User>);
  const groups = (): Group[] =>
    Object.values((store.get(['Groups']) ?? {}) as Record<string, Group>);
  let aheadMs = 0;
  const pool: Pool = {
    get options() {
      return store.get(['Options']) as PoolOptions;
    },
    now: () => Date.now() + aheadMs,
    advanceClock(ms) {
      aheadMs += ms;
    },
    async updateOptions(changed) {
      store.set(['Options'], changed);
    },
    async getUserByUsername(username) {
      const named = store.get(['Users', username]) as User | undefined;
      if (named) return named;
      return users().find((user) => isNamed(user, username, pool.options)) ?? null;
    },
    async listUsers() {
      return users();
    },
    async saveUser(user) {
      store.set(['Users', user.Username], user);
    },
    async deleteUser({ Username }) {
      store.delete(['Users', Username]);
      for (const group of groups()) {
        const members = group.members?.filter((name) => name !== Username);
        if (members) store.set(['Groups', group.GroupName], { ...group, members });
      }
    },
    async getGroupByGroupName(name) {
      return (store.get(['Groups', name]) as Group | undefined) ?? null;
    },
    async listGroups() {
      return groups();
    },
    async saveGroup(group) {
      store.set(['Groups', group.GroupName], group);
    },
  };
  return pool;
}

/** Whether a name is the user's: the username or `sub`, or the address where that is a username. */
export function isNamed(
  { Username, Attributes }: User,
  name: string,
  { UsernameAttributes }: PoolOptions,
): boolean {
  if (name === Username) return true;
  const byEmail = UsernameAttributes?.includes('email') ?? false;
  return Attributes.some(
    ({ Name, Value }) => Value === name && (Name === 'sub' || (byEmail && Name === 'email')),
  );
}

export async function openClients(stores: Stores): Promise<Clients> {
  const store = await stores.create(CLIENTS, { Clients: {} });
  return {
    async get(id) {
      return (store.get(['Clients', id]) as AppClient | undefined) ?? null;
    },
    async save(client) {
      store.set(['Clients', client.ClientId], client);
    },
    async delete(id) {
      store.delete(['Clients', id]);
    },
    async ofPool(poolId) {
      const all = Object.values((store.get(['Clients']) ?? {}) as Record<string, AppClient>);
      return all.filter(({ UserPoolId }) => UserPoolId === poolId);
    },
  };
}
