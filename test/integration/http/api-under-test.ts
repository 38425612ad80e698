import { UpdateHub } from '../../../src/http/receipts/row-updates.ts';
import { randomBytes, randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { type AppDeps, createApp } from '../../../src/http/app.ts';
import { createTokenCutoffs } from '../../../src/http/access/token-cutoffs.ts';
import { createTokenVerifier } from '../../../src/http/access/tokens.ts';
import { openDatabase } from '../../../src/db/client.ts';
import { createPasswordPolicy } from '../../../src/domain/password-policy.ts';
import { commonPasswords } from '../../../src/secrets/common-passwords.ts';
import { ProviderUnavailable, type Role } from '../../../src/domain/role.ts';
import type {
  Runs,
  RunState,
  UserRuns,
  UserRunState,
  WakeReason,
} from '../../../src/domain/runs.ts';
import type { Sessions } from '../../../src/domain/session.ts';
import { createBackgroundWork } from '../../../src/http/background-work.ts';
import { readBacklog } from '../../../src/ledger/backlog.ts';
import { readTemporalOverview } from '../../../src/temporal/overview.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { createSealing } from '../../../src/secrets/sealing.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import type { TestDatabase } from '../../support/database.ts';
import { startIssuer, type TokenIssuer } from './token-issuer.ts';

const ROLES: Role[] = [
  { name: 'viewer', description: 'Looks' },
  { name: 'admin', description: null },
  { name: 'researcher', description: 'Searches' },
];

const unlimited = () => Promise.resolve();
const away = () => Promise.reject(new ProviderUnavailable('no pool'));
/** Of a test that has no pool: whoever needs sessions brings real ones. */
const NO_SESSIONS: Sessions<Secret> = {
  signIn: away,
  refresh: away,
  personOf: away,
  signOut: away,
  answerChallenge: away,
  revoke: away,
  endSessions: away,
  mailCode: away,
  verifyEmail: away,
  changePassword: away,
  rename: away,
};

/** Everything that the fakes were asked, and what they are told to answer. */
export interface Scripts {
  started: string[];
  resumed: { id: string; by: string }[];
  cancelled: string[];
  describe: (id: string) => Promise<RunState>;
  woken: { userId: string; why: WakeReason }[];
  describeUser: (userId: string) => Promise<UserRunState>;
  rolesAway: boolean;
  userExists: () => Promise<boolean>;
  passwordState: () => Promise<'owes_password' | 'has_password' | null>;
  logged: { level: string; fields: object; message: string }[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- bodies are asserted, not typed
  readonly body: any;
}

export interface ApiUnderTest {
  readonly deps: AppDeps;
  readonly issuer: TokenIssuer;
  readonly scripts: Scripts;
  readonly sql: postgres.Sql;
  app(overrides?: Partial<AppDeps>): ReturnType<typeof createApp>;
  call(path: string, options?: CallOptions): Promise<Answer>;
  /** Waits for work that goes on after a response. */
  settled(): Promise<void>;
  /** Sets columns of a row as a run would, and hints that it changed. */
  row(id: string, columns: Record<string, unknown>): Promise<void>;
  /** The same of a change. */
  change(id: string, columns: Record<string, unknown>): Promise<void>;
  end(): Promise<void>;
}

export type RawBody = string | Uint8Array<ArrayBuffer> | ReadableStream;

export interface CallOptions {
  readonly method?: string;
  readonly json?: unknown;
  readonly body?: RawBody;
  readonly headers?: Record<string, string>;
  /** null: none. Default: an administrator's. */
  readonly token?: string | null;
  readonly app?: ReturnType<typeof createApp>;
}

/** The API over a database, real keys and real tokens; only runs, roles and the
 * directory are scripted, at their interfaces. */
export async function startApi(database: TestDatabase): Promise<ApiUnderTest> {
  const pool = openDatabase(database.appUrl, 20);
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  const issuer = await startIssuer();
  const updates = new UpdateHub();
  const closing = new AbortController();
  const scripts = freshScripts();
  const background = createBackgroundWork(recordingLog(scripts));
  const deps: AppDeps = {
    db: pool.db,
    runs: recordingRuns(scripts),
    userRuns: recordingUserRuns(scripts),
    roles: {
      list: async () => ROLES,
      unknown: async (names) => {
        if (scripts.rolesAway) throw new ProviderUnavailable('scripted');
        return names.filter((name) => !ROLES.some((role) => role.name === name));
      },
    },
    directory: {
      userExists: () => scripts.userExists(),
      passwordState: () => scripts.passwordState(),
      readUser: away,
      rolesOf: away,
      usersInRole: away,
    },
    sessions: NO_SESSIONS,
    recovery: { confirm: async () => 'unknown', confirmTemporary: async () => 'unknown' },
    accounts: { read: away, rolesOf: away, endSessions: away, verifyEmail: away },
    cutoffs: createTokenCutoffs({
      db: pool.db,
      sessions: NO_SESSIONS,
      accounts: { rolesOf: away },
      log: recordingLog(scripts),
    }),
    clientAddress: () => '192.0.2.1',
    limits: {
      signUp: unlimited,
      sessionCall: unlimited,
      passwordCheck: async () => unlimited,
      accountCall: async () => unlimited,
    },
    updates,
    changeStatusChanged: ({ id }) => updates.changed(id),
    verifyToken: createTokenVerifier({
      issuer: issuer.issuer,
      jwksUrl: issuer.jwksUrl,
      clientIds: [issuer.clientId, 'machine'],
    }),
    grants: [
      { subject: { kind: 'group', name: 'admin' }, roles: '*' },
      { subject: { kind: 'group', name: 'manager' }, roles: ['researcher', 'viewer'] },
      { subject: { kind: 'scope', name: 'registrar/write' }, roles: ['viewer'] },
      { subject: { kind: 'client', name: 'machine' }, roles: ['viewer'] },
    ],
    doors: new Set(['users', 'step']),
    temporal: {
      state: () => ({ temporal: 'degraded', worker: 'ok' }),
      overview: () =>
        readTemporalOverview(null, { namespace: 'default', taskQueue: 'test', withinMs: 1 }),
      uiUrl: 'http://ui.example/',
      namespace: 'default',
    },
    signupMode: 'sync',
    signupVerification: 'optional',
    publicMailsPerDay: null,
    personalDataRetentionDays: null,
    afterwards: background.start,
    passwordPolicy: createPasswordPolicy('composition', commonPasswords()),
    propagationGraceSeconds: 30,
    wantsProfile: false,
    quotas: { createRps: 40, updateRps: 20 },
    eventDestinations: ['webhook'],
    attributes: ['locale', 'custom:tenant_id'],
    secret: (text) => new Secret(text),
    sealing: createSealing([{ id: 'test', key: randomBytes(32) }]),
    console: null,
    corsOrigins: ['https://admin.example'],
    local: null,
    logger: recordingLog(scripts),
    trace: null,
    metrics: createMetrics({
      readBacklog: () => readBacklog(pool.db),
      temporal: () => ({ up: false, polls: false }),
      others: () => '',
    }),
    servesMetrics: true,
    closing: closing.signal,
  };
  const app = createApp(deps);
  const changed = (id: string) => updates.changed(id);
  return {
    deps,
    issuer,
    scripts,
    sql,
    app: (overrides = {}) => {
      const { db, sessions, accounts, logger: log } = { ...deps, ...overrides };
      // As of a process of its own, which asks its own sessions.
      const cutoffs = createTokenCutoffs({ db, sessions, accounts, log });
      return createApp({ ...deps, cutoffs, ...overrides });
    },
    call: async (path, options = {}) => {
      const { method = 'GET', token = issuer.token(), json, headers = {} } = options;
      const body = json === undefined ? options.body : JSON.stringify(json);
      const response = await (options.app ?? app).request(path, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: isJson ? JSON.parse(text) : null,
      };
    },
    settled: () => background.end(),
    row: async (id, columns) => {
      await sql`UPDATE registrations SET ${sql(columns)} WHERE id = ${id}`;
      changed(id);
    },
    change: async (id, columns) => {
      await sql`UPDATE changes SET ${sql(columns)} WHERE id = ${id}`;
      changed(id);
    },
    end: async () => {
      await background.end();
      await issuer.close();
      await sql.end();
      await pool.close();
    },
  };
}

/** A body for POST /registrations that nobody else sends. */
export function newBody(more: Record<string, unknown> = {}) {
  return { email: `${randomUUID()}@example.com`, roles: ['viewer'], ...more };
}

export function problem(answer: Answer, code: string, status: number, title: string) {
  return {
    type: `/problems/${code}`,
    title,
    status,
    detail: answer.body?.detail,
    code,
    instance: `urn:uuid:${answer.headers.get('x-request-id')}`,
  };
}

export function freshScripts(): Scripts {
  return {
    started: [],
    resumed: [],
    cancelled: [],
    describe: async () => ({ kind: 'not_found' }),
    woken: [],
    describeUser: async () => ({ kind: 'not_found' }),
    rolesAway: false,
    userExists: async () => true,
    passwordState: async () => 'owes_password',
    logged: [],
  };
}

function recordingRuns(scripts: Scripts): Runs {
  return {
    startSoon: (id) => void scripts.started.push(id),
    start: async (id) => void scripts.started.push(id),
    cancel: async (id) => void scripts.cancelled.push(id),
    resume: async (id, by) => void scripts.resumed.push({ id, by }),
    describe: (id) => scripts.describe(id),
    waiting: async () => [],
  };
}

function recordingUserRuns(scripts: Scripts): UserRuns {
  return {
    wakeSoon: (userId, why) => void scripts.woken.push({ userId, why }),
    wake: async (userId, why) => void scripts.woken.push({ userId, why }),
    describe: (userId) => scripts.describeUser(userId),
    waiting: async () => [],
  };
}

function recordingLog(scripts: Scripts): AppDeps['logger'] {
  const at = (level: string) => (fields: object, message: string) =>
    void scripts.logged.push({ level, fields, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
