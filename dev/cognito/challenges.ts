import { randomUUID } from 'node:crypto';
import { notAuthorized } from './service-error.ts';

/** Who is asked for what. */
export interface Challenge {
  readonly name: string;
  readonly poolId: string;
  readonly clientId: string;
  readonly username: string;
  /** What the answer must be, where it was sent to the user. */
  readonly code?: string;
  /** MFA_SETUP: the user has proved an authenticator in this session. */
  readonly factorVerified?: boolean;
}

export type Asked = Pick<Challenge, 'name' | 'clientId' | 'username'>;

/** Sign-ins that wait for the answer to a challenge; gone when the sandbox ends. */
export interface Challenges {
  /** Answers the `Session` of a new one.
   * @param until in milliseconds of the pool's clock */
  open(challenge: Challenge, until: number): string;
  /** The challenge of a session. Throws unless it still waits.
   * @param now by the pool's clock */
  waiting(session: unknown, now: number): Challenge;
  /** The challenge of a session, also when it is over. */
  peek(session: unknown): Challenge | undefined;
  /** A session counts once. */
  end(session: unknown): void;
}

/** An ended session is remembered for so long, to refuse it by its own message. */
const REMEMBERED_MS = 3_600_000;

interface Opened extends Challenge {
  readonly openedAt: number;
  readonly until: number;
  over: boolean;
}

export function createChallenges(): Challenges {
  const opened = new Map<unknown, Opened>();
  return {
    open(challenge, until) {
      for (const [session, { openedAt }] of opened) {
        if (openedAt + REMEMBERED_MS <= Date.now()) opened.delete(session);
      }
      const session = randomUUID();
      opened.set(session, { ...challenge, openedAt: Date.now(), until, over: false });
      return session;
    },
    waiting(session, now) {
      const found = opened.get(session);
      if (found === undefined) throw notAuthorized('Invalid session for the user.');
      if (found.over) {
        throw notAuthorized('Invalid session for the user, session can only be used once.');
      }
      if (found.until <= now) {
        throw notAuthorized('Invalid session for the user, session is expired.');
      }
      return found;
    },
    peek: (session) => opened.get(session),
    end(session) {
      const found = opened.get(session);
      if (found) found.over = true;
    },
  };
}

/** Throws where the session was not opened to ask this user this. */
export function refuseOther(challenge: Challenge, asked: Asked): void {
  const same =
    challenge.name === asked.name &&
    challenge.clientId === asked.clientId &&
    challenge.username === asked.username;
  if (!same) throw notAuthorized('Invalid session for the user.');
}
