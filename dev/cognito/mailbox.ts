import type { Stores } from './store.ts';

/** A mail that the sandbox would have sent, or a text message. */
export interface Mail {
  readonly at: string;
  readonly poolId: string;
  /** An address, or a phone number. */
  readonly to: string;
  readonly username: string;
  /** `AdminCreateUser` for an invitation, or the name of the flow that sends a code. */
  readonly source: string;
  /** The temporary password, or the code. */
  readonly code: string;
}

const FILE = 'mail';
const KEPT_PER_POOL = 1_000;

/** What was mailed, by pool. It is in a file of its own and stays when the sandbox ends. */
export interface Mailbox {
  add(mail: Mail): void;
  /** The oldest first.
   * @param poolId undefined: of all pools */
  list(poolId: string | undefined): Mail[];
  clear(poolId: string | undefined): void;
  /** Resolves when everything before this call is on disk. */
  flushed(): Promise<void>;
}

export async function openMailbox(stores: Stores): Promise<Mailbox> {
  const store = await stores.create(FILE, { Mail: {} });
  const all = (): Record<string, Mail[]> => (store.get(['Mail']) ?? {}) as Record<string, Mail[]>;
  const ofPool = (poolId: string): Mail[] => (store.get(['Mail', poolId]) ?? []) as Mail[];
  return {
    add(mail) {
      store.set(['Mail', mail.poolId], [...ofPool(mail.poolId), mail].slice(-KEPT_PER_POOL));
    },
    list: (poolId) => (poolId === undefined ? Object.values(all()).flat() : ofPool(poolId)),
    clear(poolId) {
      if (poolId === undefined) store.set(['Mail'], {});
      else if (store.get(['Mail', poolId]) !== undefined) store.delete(['Mail', poolId]);
    },
    flushed: () => stores.flushed(),
  };
}
