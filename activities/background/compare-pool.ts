import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../src/db/client.ts';
import { namesRegistration } from '../../src/domain/registration.ts';
import { isClosed } from '../../src/domain/status.ts';
import {
  countsOf,
  expectedUsers,
  rowsMarked,
  type ExpectedUser,
  type MarkedRow,
} from '../../src/ledger/compare.ts';
import type { IdentityProvider, ListedUser } from '../../src/cognito/adapter.ts';
import { REQUEST_TIMEOUT_MS } from '../../src/cognito/call.ts';
import type { Comparison, PoolFinding, PoolFindingKind, PoolReport } from '../contract.ts';
import { ProviderError } from '../../src/cognito/provider-error.ts';
import { databaseNow } from '../../src/ledger/registrations/row.ts';
import { restMs } from '../relay/pause.ts';
import type { SeenUsers } from './seen-users.ts';
import type { StepLog } from '../step-context.ts';

/** Of ListUsers' 30 a second and AdminGetUser's 120: registrations come first. */
const BETWEEN_CALLS_MS = 200;
/** After this the activity ends, and the next one goes on. */
const ROUND_MS = 10 * 60_000;
const ROWS = 500;
/** Findings that are named; all of them are counted. */
const NAMED = 100;
/** AdminGetUser counts as activity for billing. More rows without a user than this are one mistake,
 * not many: another pool, or a ledger from elsewhere. */
const ASKED = 1000;
/** Users of a sample whose groups are read: at five calls a second about three minutes. */
const ROLES_READ = 1000;
/** Each user is in the sample of every so many comparisons, which run daily. */
const SAMPLES = 64;
const DAY_MS = 86_400_000;

export interface Clock {
  now(): number;
  pause(ms: number): Promise<void>;
}

export interface ComparePoolDeps {
  readonly db: Database;
  readonly provider: Pick<IdentityProvider, 'listUsers' | 'readUser' | 'rolesOf'>;
  readonly log: StepLog;
  readonly propagationGraceSeconds: number;
  readonly seenUsers: SeenUsers;
  readonly stopping?: AbortSignal;
  /** Told after each page and each question: what a killed comparison goes on from. */
  readonly heartbeat?: (at: Comparison) => void;
  readonly clock?: Clock;
}

const CLOCK: Clock = { now: Date.now, pause: (ms) => delay(ms) };

/**
 * Compares ledger and pool, both ways, and changes neither: what it finds is for a person to judge,
 * and a wrong pool id must not release a whole ledger. Repeatable, and goes on from where it was.
 * @param from null begins
 * @throws ProviderError, DatabaseError
 */
export async function comparePool(
  deps: ComparePoolDeps,
  from: Comparison | null,
): Promise<Comparison> {
  const clock = deps.clock ?? CLOCK;
  const until = clock.now() + ROUND_MS;
  const over = () => clock.now() > until || deps.stopping?.aborted === true;
  const provider = paced(deps.provider, clock);
  const round = { ...deps, provider, clock, over };
  let at = from ?? begun((await databaseNow(deps.db)).getTime());
  let resumed = at.page !== null;
  while (at.stage === 'users' && !over()) {
    try {
      at = await comparePage(round, at);
    } catch (error) {
      // Cognito's page tokens live for an hour: after a longer pause it begins anew.
      const stale = error instanceof ProviderError && error.name === 'InvalidParameterException';
      if (!stale || !resumed) throw error;
      at = begun(at.startedAt);
    }
    resumed = false;
    deps.heartbeat?.(at);
  }
  while (at.stage === 'rows' && !over()) {
    const since = clock.now();
    at = await compareRows(round, at);
    if (at.stage === 'rows') await clock.pause(restMs(clock.now() - since));
  }
  if (at.stage === 'done')
    deps.log.info({ report: countsOf(at.report) }, 'pool comparison finished');
  return at;
}

interface Round extends ComparePoolDeps {
  readonly clock: Clock;
  readonly over: () => boolean;
}

async function comparePage(round: Round, at: Comparison): Promise<Comparison> {
  const { users, next } = await round.provider.listUsers(at.page, requestSignal());
  const marks = users.flatMap(({ mark }) => (mark !== null && namesRegistration(mark) ? mark : []));
  const rows = await rowsMarked(round.db, marks);
  const youngSince = round.clock.now() - round.propagationGraceSeconds * 1000;
  let { report } = at;
  const met: string[] = [];
  for (const user of users) {
    const row = rows.get(user.mark ?? '');
    const kind = kindOf(user, row, youngSince);
    if (kind === 'agreeing' && row) met.push(row.id);
    report = { ...report, users: report.users + 1 };
    report = isFinding(kind)
      ? found(round, report, { kind, registrationId: idIn(user.mark), userId: user.sub })
      : { ...report, [kind]: report[kind] + 1 };
  }
  await round.seenUsers.note(met, new Date(at.startedAt));
  return next === null
    ? { ...at, report, page: null, stage: 'rows' }
    : { ...at, report, page: next };
}

type UserKind = 'agreeing' | 'underWay' | 'young' | 'foreign' | 'orphan' | 'leftover' | 'twin';

function kindOf(user: ListedUser, row: MarkedRow | undefined, youngSince: number): UserKind {
  if (user.mark === null) return 'foreign';
  if (user.createdAt.getTime() > youngSince) return 'young';
  if (!row) return 'orphan';
  if (row.status === 'completed' || !isClosed(row.status)) {
    if (row.userId !== null && row.userId !== user.sub) return 'twin';
    if (row.status !== 'completed') return 'underWay';
    return row.gone ? 'leftover' : 'agreeing';
  }
  // Deleted a moment ago, it may still be listed.
  return (row.finishedAt?.getTime() ?? 0) > youngSince ? 'young' : 'leftover';
}

/** Rows that finished before the list was begun and that it did not show: Cognito is asked. */
async function compareRows(round: Round, from: Comparison): Promise<Comparison> {
  const comparedAt = new Date(from.startedAt);
  const finishedBefore = new Date(from.startedAt - round.propagationGraceSeconds * 1000);
  const page = { after: from.afterRow, finishedBefore, limit: ROWS };
  const rows = await expectedUsers(round.db, page);
  const met = await round.seenUsers.among(
    rows.map(({ id }) => id),
    comparedAt,
  );
  let at = from;
  for (const row of rows) {
    const readsRoles = met.has(row.id) && isSampled(row, from.startedAt);
    if ((!met.has(row.id) || readsRoles) && round.over()) return at;
    if (!met.has(row.id)) at = { ...at, report: await look(round, at.report, row) };
    if (readsRoles) at = { ...at, report: await compareRoles(round, at.report, row) };
    at = { ...at, afterRow: row.id };
    round.heartbeat?.(at);
  }
  return rows.length < ROWS ? { ...at, stage: 'done' } : at;
}

async function look(round: Round, report: PoolReport, row: ExpectedUser): Promise<PoolReport> {
  if (report.asked >= ASKED) return { ...report, unasked: report.unasked + 1 };
  const read = () => round.provider.readUser(row.cognitoUsername, requestSignal());
  const user = (await read()) ?? (await read());
  const asked = { ...report, asked: report.asked + 1 };
  if (user?.mark === row.id) return asked;
  const kind = user ? 'unmarked' : 'vanished';
  return found(round, asked, { kind, registrationId: row.id, userId: row.userId });
}

function isSampled(row: ExpectedUser, startedAt: number): boolean {
  const sample = Math.floor(startedAt / DAY_MS) % SAMPLES;
  return row.rolesReplaced || Number.parseInt(row.id.slice(-2), 16) % SAMPLES === sample;
}

/** Whether the user has the roles of its row, and none that the row wanted once and no longer does. */
async function compareRoles(
  round: Round,
  report: PoolReport,
  row: ExpectedUser,
): Promise<PoolReport> {
  if (!row.rolesReplaced && report.rolesRead >= ROLES_READ) return report;
  const groups = await rolesOrNull(round, row.cognitoUsername);
  const read = { ...report, rolesRead: report.rolesRead + 1 };
  // Deleted since it was listed: the next comparison finds it vanished.
  if (!groups) return read;
  const missing = row.roles.filter((role) => !groups.includes(role));
  const left = row.rolesTouched.filter(
    (role) => !row.roles.includes(role) && groups.includes(role),
  );
  if (missing.length === 0 && left.length === 0) return read;
  const differs = { ...read, rolesDiffer: read.rolesDiffer + 1 };
  if (report.advice.length >= NAMED) return differs;
  const advice = { kind: 'roles_differ', registrationId: row.id, userId: row.userId } as const;
  round.log.info({ ...advice, missing, left }, 'roles in ledger and pool differ');
  return { ...differs, advice: [...report.advice, { ...advice, missing, left }] };
}

async function rolesOrNull(round: Round, username: string): Promise<string[] | null> {
  try {
    return await round.provider.rolesOf(username, requestSignal());
  } catch (error) {
    if (error instanceof ProviderError && error.name === 'UserNotFoundException') return null;
    throw error;
  }
}

function found(round: Round, report: PoolReport, finding: PoolFinding): PoolReport {
  const counted = { ...report, [finding.kind]: report[finding.kind] + 1 };
  if (report.findings.length >= NAMED) return counted;
  round.log.warn({ ...finding }, 'ledger and pool differ');
  return { ...counted, findings: [...report.findings, finding] };
}

function isFinding(kind: UserKind): kind is UserKind & PoolFindingKind {
  return kind === 'orphan' || kind === 'leftover' || kind === 'twin';
}

function idIn(mark: string | null): string | null {
  return mark !== null && namesRegistration(mark) ? mark : null;
}

function begun(startedAt: number): Comparison {
  const met = { users: 0, agreeing: 0, underWay: 0, young: 0, foreign: 0, asked: 0, unasked: 0 };
  const different = { orphan: 0, leftover: 0, twin: 0, vanished: 0, unmarked: 0, findings: [] };
  const roles = { rolesRead: 0, rolesDiffer: 0, advice: [] };
  const report = { ...met, ...different, ...roles };
  return { startedAt, stage: 'users', page: null, afterRow: null, report };
}

function paced(provider: ComparePoolDeps['provider'], clock: Clock): ComparePoolDeps['provider'] {
  let next = 0;
  async function acquire(): Promise<void> {
    const waitMs = next - clock.now();
    if (waitMs > 0) await clock.pause(waitMs);
    next = clock.now() + BETWEEN_CALLS_MS;
  }
  return {
    async listUsers(page, signal) {
      await acquire();
      return await provider.listUsers(page, signal);
    },
    async readUser(username, signal) {
      await acquire();
      return await provider.readUser(username, signal);
    },
    async rolesOf(username, signal) {
      await acquire();
      return await provider.rolesOf(username, signal);
    },
  };
}

function requestSignal(): AbortSignal {
  return AbortSignal.timeout(REQUEST_TIMEOUT_MS);
}
