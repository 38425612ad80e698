import { randomUUID } from 'node:crypto';
import { notAuthorized } from './service-error.ts';

interface Whom {
  readonly clientId: string;
  readonly username: string;
}

/** Sign-ins that wait for the answer to a challenge; gone when the sandbox ends. */
export interface Challenges {
  /** Answers the `Session` of a new one. */
  open(whom: Whom, minutes: number): string;
  /** Ends a session; throws where it is not open for this user and client. */
  take(session: unknown, whom: Whom): void;
}

export function createChallenges(): Challenges {
  const waiting = new Map<string, Whom & { readonly until: number }>();
  return {
    open(whom, minutes) {
      for (const [session, { until }] of waiting) {
        if (until <= Date.now()) waiting.delete(session);
      }
      const session = randomUUID();
      waiting.set(session, { ...whom, until: Date.now() + minutes * 60_000 });
      return session;
    },
    take(session, { clientId, username }) {
      const found = waiting.get(String(session));
      if (found?.clientId !== clientId || found.username !== username) {
        throw notAuthorized('Invalid session for the user.');
      }
      waiting.delete(String(session));
      if (found.until <= Date.now()) {
        throw notAuthorized('Invalid session for the user, session is expired.');
      }
    },
  };
}
