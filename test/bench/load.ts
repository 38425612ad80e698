import { randomUUID } from 'node:crypto';

/** Where registrations are sent, and who asks. */
export interface Target {
  readonly url: string;
  readonly bearer: string;
}

export interface Load {
  /** Of each registration that was answered with 201, in ms. */
  readonly took: readonly number[];
  /** Not completed within the wait, or refused with 503. */
  readonly unfinished: number;
  readonly seconds: number;
}

/** Registers one person and waits for the outcome. Throws unless it is completed, late or refused. */
export async function register({ url, bearer }: Target): Promise<{ id: string; status: number }> {
  const answer = await fetch(`${url}/registrations`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      prefer: 'wait=30',
    },
    body: JSON.stringify({
      email: `${randomUUID()}@example.com`,
      roles: ['viewer'],
      invite: false,
    }),
  });
  const text = await answer.text();
  if (![201, 202, 503].includes(answer.status)) throw new Error(`${answer.status}: ${text}`);
  const { id = '' } = JSON.parse(text) as { id?: string };
  return { id, status: answer.status };
}

/** So many callers for so long: each sends its next registration when it has the answer to the last. */
export async function load(
  target: Target,
  { callers, ms, most = Infinity }: { callers: number; ms: number; most?: number },
): Promise<Load> {
  const took: number[] = [];
  let unfinished = 0;
  let begun = 0;
  const from = performance.now();
  const caller = async (): Promise<void> => {
    while (performance.now() - from < ms && begun < most) {
      begun += 1;
      const sent = performance.now();
      const { status } = await register(target);
      if (status === 201) took.push(performance.now() - sent);
      else unfinished += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { took, unfinished, seconds: (performance.now() - from) / 1000 };
}
