import type { AuditEvent, Receipt, Wanted } from './load.ts';
import type { PoolUser } from './pool-users.ts';

export interface World {
  readonly wanted: readonly Wanted[];
  readonly receipts: readonly Receipt[];
  readonly users: readonly PoolUser[];
  /** `user.registered` of the trail. */
  readonly events: readonly AuditEvent[];
}

/** One line for everything that is not as it should be after the dust has settled. */
export function findingsOf(world: World): string[] {
  const { wanted, receipts, users, events } = world;
  const findings = wanted.flatMap((one) => findingsAbout(one, world));
  const marked = users.filter(({ mark }) => mark !== null);
  for (const [what, items] of Object.entries({ registrations: receipts, users: marked, events })) {
    if (items.length !== wanted.length) {
      findings.push(`${items.length} ${what} for ${wanted.length} instructions`);
    }
  }
  return findings;
}

function findingsAbout({ email, roles }: Wanted, world: World): string[] {
  const mine = world.receipts.filter((receipt) => receipt.email === email);
  const [receipt] = mine;
  if (!receipt || mine.length > 1) return [`${email}: ${mine.length} registrations`];
  if (receipt.status !== 'completed') return [`${email}: ${receipt.status} (${receipt.id})`];
  const users = world.users.filter((user) => user.email === email);
  const [user] = users;
  if (!user || users.length > 1) return [`${email}: ${users.length} users`];
  const events = world.events.filter(({ registrationId }) => registrationId === receipt.id);
  const wrong: string[] = [];
  if (user.mark !== receipt.id) wrong.push(`marked ${user.mark}, not ${receipt.id}`);
  if (user.sub !== receipt.userId) wrong.push(`receipt names another user`);
  if (user.roles.join() !== roles.toSorted().join()) wrong.push(`has roles ${user.roles.join()}`);
  if (events.length !== 1) wrong.push(`${events.length} events user.registered`);
  if (events.some(({ userId }) => userId !== user.sub)) wrong.push(`the event names another user`);
  return wrong.map((text) => `${email}: ${text}`);
}
