import { randomUUID } from 'node:crypto';
import { notAuthorized } from './service-error.ts';

/** Who is asked for what. */
export interface Challenge {
  readonly name: string;
  readonly clientId: string;
  readonly username: string;
}

/** Sign-ins that wait for the answer to a challenge; gone when the sandbox ends. */
export interface Challenges {
  /** Answers the `Session` of a new one. */
  open(challenge: Challenge, minutes: number): string;
  /** Throws where the session does not wait for the answer to this challenge. */
  check(session: unknown, challenge: Challenge): void;
  end(session: unknown): void;
}

export function createChallenges(): Challenges {
  const waiting = new Map<unknown, Challenge & { readonly until: number }>();
  return {
    open(challenge, minutes) {
      for (const [session, { until }] of waiting) {
        if (until <= Date.now()) waiting.delete(session);
      }
      const session = randomUUID();
      waiting.set(session, { ...challenge, until: Date.now() + minutes * 60_000 });
      return session;
    },
    check(session, { name, clientId, username }) {
      const found = waiting.get(session);
      const same =
        found?.name === name && found.clientId === clientId && found.username === username;
      if (!same) throw notAuthorized('Invalid session for the user.');
      if (found.until <= Date.now()) {
        throw notAuthorized('Invalid session for the user, session is expired.');
      }
    },
    end(session) {
      waiting.delete(session);
    },
  };
}
