import { createHash } from 'node:crypto';
import type { Database } from '../../db/client.ts';
import type { Accounts } from '../../domain/account.ts';
import type { Sessions } from '../../domain/session.ts';
import { compareWithCutoff, type TokenCutoff } from '../../domain/token-cutoff.ts';
import { CUTOFF_KEPT_HOURS, readTokenCutoffs } from '../../ledger/token-cutoffs.ts';
import type { TokenClaims } from './tokens.ts';

/** Half of what the 5 s allow, so that one read may fail or be slow. */
const POLL_MS = 2000;
/** A read that takes longer is given up: its connection may be dead without telling. */
const READ_MS = 1500;
/** A transaction may commit so long after the time that it recorded. */
const OVERLAP_MS = 60_000;
/** Rows of one statement: at the start there may be many. */
const PAGE = 1000;
const KEPT_MS = CUTOFF_KEPT_HOURS * 3_600_000;
/** For so long Cognito may answer as before a change; its answers are kept from then on. */
const SETTLED_MS = 5000;
/** Tokens of one person whose answer is kept; for more of them Cognito is asked each time. */
const KEPT_ANSWERS = 100;
/** Without this scope Cognito tells nobody whether the token counts. */
const ASKING_SCOPE = 'aws.cognito.signin.user.admin';

interface Deps {
  readonly db: Database;
  readonly sessions: Pick<Sessions<unknown>, 'personOf'>;
  readonly accounts: Pick<Accounts, 'rolesOf'>;
  readonly log: { warn(fields: object, message: string): void };
}

/** Which tokens a sign-out, a reset, a deletion or a change of roles has ended. */
export interface TokenCutoffs {
  /** Whether a verified token still counts. @throws ProviderUnavailable */
  counts(token: string, claims: TokenClaims): Promise<boolean>;
  /** Reads what has changed, in bounded time. Never throws: what was read before goes on counting. */
  read(): Promise<void>;
}

interface Known {
  readonly cutoff: TokenCutoff;
  /** By this process's monotonic clock. */
  readonly since: number;
  /** What Cognito said of tokens, by their digest. */
  readonly answers: Map<string, boolean>;
}

/** Keeps the cutoffs that the processes share through the ledger in the memory of this process. */
export function createTokenCutoffs({ db, sessions, accounts, log }: Deps): TokenCutoffs {
  /** In the order in which they changed. */
  const known = new Map<string, Known>();
  let newest = OVERLAP_MS;
  let hasRead = false;
  let fails = false;
  let reading: Promise<void> | null = null;

  function learn(cutoff: TokenCutoff): void {
    newest = Math.max(newest, cutoff.changedAt);
    const before = known.get(cutoff.userId)?.cutoff;
    // Read again, or by a read that was given up.
    if (before && (isSame(before, cutoff) || before.changedAt > cutoff.changedAt)) return;
    known.delete(cutoff.userId);
    known.set(cutoff.userId, { cutoff, since: performance.now(), answers: new Map() });
  }

  async function readChanged(): Promise<void> {
    let after = { changedAt: newest - OVERLAP_MS, userId: '' };
    for (;;) {
      const page = await readTokenCutoffs(db, after, PAGE);
      for (const cutoff of page) learn(cutoff);
      const last = page.at(-1);
      if (!last || page.length < PAGE) break;
      after = last;
    }
    hasRead = true;
    for (const [userId, { cutoff }] of known) {
      if (cutoff.changedAt > Date.now() - KEPT_MS) break;
      known.delete(userId);
    }
  }

  async function readOnce(): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('timed out')), READ_MS);
    try {
      await Promise.race([readChanged(), late]);
      fails = false;
    } catch {
      if (!fails) log.warn({}, 'token cutoffs cannot be read; those known before still count');
      fails = true;
    } finally {
      clearTimeout(timer);
      reading = null;
    }
  }

  const read = (): Promise<void> => (reading ??= readOnce());

  return {
    read,
    async counts(token, claims) {
      const { userId } = claims;
      if (userId === null) return true;
      if (!hasRead) await read();
      const found = known.get(userId);
      if (!found) return true;
      const { sessionsEndedAt, rolesChangedAt } = found.cutoff;
      const session = compareWithCutoff(claims.sessionBeganAt, sessionsEndedAt);
      const roles = compareWithCutoff(claims.issuedAt, rolesChangedAt);
      if (session === 'before' || roles === 'before') return false;
      if (session === 'after' && roles === 'after') return true;
      const digest = createHash('sha256').update(token).digest('base64url');
      const answer = found.answers.get(digest) ?? (await ask(token, claims, userId));
      const isSettled = performance.now() - found.since > SETTLED_MS;
      if (isSettled && found.answers.size < KEPT_ANSWERS) found.answers.set(digest, answer);
      return answer;

      /** A token of a live session that names the roles of now was not ended, whatever the clocks say. */
      async function ask(accessToken: string, { scopes, groups }: TokenClaims, id: string) {
        if (session === 'close') {
          if (!scopes.includes(ASKING_SCOPE)) {
            if (claims.sessionBeganAt * 1000 < (sessionsEndedAt ?? 0)) return false;
          } else if ((await sessions.personOf(accessToken)) === null) return false;
        }
        return roles !== 'close' || isSameSet(groups, await accounts.rolesOf(id));
      }
    },
  };
}

/** Reads at once, and then every 2 s. */
export function pollTokenCutoffs(cutoffs: Pick<TokenCutoffs, 'read'>): { stop(): void } {
  void cutoffs.read();
  const timer = setInterval(() => void cutoffs.read(), POLL_MS);
  return { stop: () => clearInterval(timer) };
}

function isSame(one: TokenCutoff, other: TokenCutoff): boolean {
  return (
    one.changedAt === other.changedAt &&
    one.sessionsEndedAt === other.sessionsEndedAt &&
    one.rolesChangedAt === other.rolesChangedAt
  );
}

function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  const all = new Set([...some, ...others]);
  return all.size === new Set(some).size && all.size === new Set(others).size;
}
