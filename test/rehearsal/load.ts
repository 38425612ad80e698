import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

/** Where the API is, and who asks. */
export interface Api {
  readonly url: string;
  readonly bearer: string;
}

export interface Wanted {
  readonly email: string;
  readonly roles: readonly string[];
}

const Receipt = z.object({
  id: z.string(),
  status: z.string(),
  email: z.string(),
  userId: z.string().nullable(),
  acceptedAt: z.coerce.date(),
  finishedAt: z.coerce.date().nullable(),
});
export type Receipt = z.infer<typeof Receipt>;

const AuditEvent = z.object({
  registrationId: z.string().nullable(),
  userId: z.string().nullable(),
});
export type AuditEvent = z.infer<typeof AuditEvent>;

const ROLES = [['viewer'], ['researcher'], ['viewer', 'researcher'], ['manager', 'viewer']];

/** So many registrations, evenly: none waits for the one before. Throws when one is not accepted. */
export async function registerAll(api: Api, count: number, perSecond: number): Promise<Wanted[]> {
  const wanted = Array.from({ length: count }, (_, index) => ({
    email: `user-${index}@example.com`,
    roles: ROLES[index % ROLES.length] ?? [],
  }));
  const from = performance.now();
  await Promise.all(
    wanted.map(async (one, index) => {
      await sleep(Math.max(0, from + (index * 1000) / perSecond - performance.now()));
      const answer = await fetch(`${api.url}/registrations`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${api.bearer}`,
          'content-type': 'application/json',
          'idempotency-key': one.email,
        },
        body: JSON.stringify(one),
      });
      const text = await answer.text();
      if (answer.status !== 202) throw new Error(`${one.email}: ${answer.status} ${text}`);
    }),
  );
  return wanted;
}

/** Waits until no registration is open any more. Throws after `withinMs`. */
export async function untilClosed(api: Api, withinMs: number): Promise<void> {
  const deadline = Date.now() + withinMs;
  const open = ['accepted', 'running', 'roles_pending', 'compensating', 'cleanup_required'];
  const query = open.map((status) => `status=${status}`).join('&');
  for (;;) {
    const { total } = z
      .object({ total: z.number() })
      .parse(await get(api, `/registrations?limit=1&${query}`));
    if (total === 0) return;
    if (Date.now() > deadline) throw new Error(`${total} are still open after ${withinMs} ms`);
    await sleep(1000);
  }
}

export async function allReceipts(api: Api): Promise<Receipt[]> {
  return await everyPage(api, '/registrations?limit=200', Receipt);
}

/** The trail's events `user.registered`. */
export async function allRegistered(api: Api): Promise<AuditEvent[]> {
  return await everyPage(api, '/audit-events?limit=200&event=user.registered', AuditEvent);
}

async function everyPage<T>(api: Api, path: string, item: z.ZodType<T>): Promise<T[]> {
  const page = z.object({ items: z.array(item), nextCursor: z.string().nullable() });
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const got = page.parse(await get(api, `${path}${more}`));
    items.push(...got.items);
    cursor = got.nextCursor;
  } while (cursor !== null);
  return items;
}

async function get(api: Api, path: string): Promise<unknown> {
  const answer = await fetch(`${api.url}${path}`, {
    headers: { authorization: `Bearer ${api.bearer}` },
  });
  if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
  return await answer.json();
}
