import type { AccessEnv } from './access/authenticate.ts';
import type { ClientAddress } from './access/client-address.ts';
import type { Limits } from './access/limits.ts';
import type { TokenCutoffs } from './access/token-cutoffs.ts';
import type { VerifyToken } from './access/tokens.ts';
import type { Database } from '../db/client.ts';
import type { Accounts, PasswordRecovery } from '../domain/account.ts';
import type { EventDestination } from '../domain/outbox.ts';
import type { TemporalOverview } from '../domain/overview.ts';
import type { Change } from '../domain/change.ts';
import type { Directory } from '../domain/directory.ts';
import type { Grant } from '../domain/grants.ts';
import type { PasswordPolicy } from '../domain/password-policy.ts';
import type { RoleCatalogue } from '../domain/role.ts';
import type { Runs, UserRuns } from '../domain/runs.ts';
import type { TraceRequest } from '../domain/tracing.ts';
import type { Sessions } from '../domain/session.ts';
import type { Sealing } from '../secrets/sealing.ts';
import type { Secret } from '../secrets/secret.ts';
import type { ProblemBody } from './problems/problem-details.ts';
import type { UpdateSubscription } from './receipts/row-updates.ts';

/** As much of pino as the API uses. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The state of Temporal and of the worker in this process, and the address of the Temporal UI. */
export interface TemporalView {
  state(): { readonly temporal: 'ok' | 'degraded'; readonly worker: 'ok' | 'degraded' };
  /** What Temporal says of its schedules and workers, in bounded time; never throws. */
  overview(): Promise<TemporalOverview>;
  readonly uiUrl: string | null;
  readonly namespace: string;
}

/** The labels by which a request is counted; none contains text from the caller. */
export interface RequestLabels {
  readonly method: string;
  /** The pattern, `/registrations/:id`; `none` where there is no such route. */
  readonly route: string;
  readonly status: number;
}

export interface MetricsView {
  observeRequest(request: RequestLabels, seconds: number): void;
  readonly contentType: string;
  /** The answer to a scrape. In bounded time; never throws. */
  text(): Promise<string>;
}

/** Notifications of updates of rows (registrations and changes) by this process. Waits also poll, since
 * another process may update
 * the row. */
export interface RowUpdates {
  subscribe(id: string): UpdateSubscription;
}

export interface StreamLimits {
  readonly pollMs: number;
  readonly commentMs: number;
  /** Of this process, at one time. */
  readonly atOnce: number;
  /** Of one caller, of those. */
  readonly perCaller: number;
}

/** Everything the API needs; it opens nothing by itself. */
export interface AppDeps {
  readonly db: Database;
  readonly runs: Runs;
  readonly userRuns: UserRuns;
  readonly roles: RoleCatalogue;
  readonly directory: Directory;
  /** Of our app client; asked only where a door needs it. */
  readonly sessions: Sessions<Secret>;
  /** With our app client, as sessions. */
  readonly recovery: Pick<PasswordRecovery<Secret>, 'confirm' | 'confirmTemporary'>;
  readonly accounts: Accounts;
  readonly updates: RowUpdates;
  /** Counts and logs that the API has moved a change to another status, and wakes its waiters. */
  readonly changeStatusChanged: (change: Change) => void;
  readonly verifyToken: VerifyToken;
  /** Which tokens a sign-out, a reset, a deletion or a change of roles has ended. */
  readonly cutoffs: TokenCutoffs;
  readonly grants: readonly Grant[];
  readonly clientAddress: ClientAddress;
  /** Of the public doors. */
  readonly limits: Limits;
  /** The doors that are open; `canonical` needs no mention. */
  readonly doors: ReadonlySet<string>;
  readonly temporal: TemporalView;
  /** What sign-up does without a `Prefer` header (SIGNUP_MODE). */
  readonly signupMode: 'sync' | 'async';
  /** `required`: a person who signed up gets no tokens before the address is proved (SIGNUP_VERIFICATION). */
  readonly signupVerification: 'optional' | 'required';
  /** What public mails may take of the mailer's day; null: no bound. */
  readonly publicMailsPerDay: number | null;
  /** How long a failed or cancelled registration says who the person is; null: without end. */
  readonly personalDataRetentionDays: number | null;
  /** Does work after the response, so that it does not show in the response's time. The process waits
   * for it before it ends; its errors are logged. */
  readonly afterwards: (work: () => Promise<unknown>) => void;
  /** What a chosen password must satisfy (PASSWORD_RULES). */
  readonly passwordPolicy: PasswordPolicy;
  readonly propagationGraceSeconds: number;
  /** Whether a profile service is configured (PROFILE_URL, PROFILE_AMQP). */
  readonly wantsProfile: boolean;
  /** What this deployment may take of Cognito's quotas (COGNITO_CREATE_RPS, COGNITO_UPDATE_RPS). */
  readonly quotas: { readonly createRps: number; readonly updateRps: number };
  /** Where events go (EVENTS_…). */
  readonly eventDestinations: readonly EventDestination[];
  /** Pool attributes that a caller may set (COGNITO_ATTRIBUTES). */
  readonly attributes: readonly string[];
  /** Wraps a password as soon as it is parsed. */
  readonly secret: (text: string) => Secret;
  /** null: no sealing keys, so that no registration takes a password. */
  readonly sealing: Pick<Sealing, 'seal'> | null;
  /** What the console keeps people's tokens with (CONSOLE); null: it is not served. */
  readonly console: { readonly sealing: Sealing } | null;
  /** Exact origins that may call from a browser. */
  readonly corsOrigins: readonly string[];
  /** Where ENVIRONMENT=local, and null elsewhere: the host names it answers to, and where the Cognito
   * sandbox shows the mail of the pool. */
  readonly local: {
    readonly acceptsHost: (hostname: string) => boolean;
    readonly mailbox: string;
  } | null;
  readonly logger: Log;
  /** null: no exporter of traces is configured. */
  readonly trace: TraceRequest | null;
  readonly metrics: MetricsView;
  /** Whether this API serves `/metrics`; otherwise metrics have their own port or none. */
  readonly servesMetrics: boolean;
  /** Aborted when the process shuts down: waits and streams then end with the latest known state. */
  readonly closing: AbortSignal;
  /** Instead of the usual pace and number of receipt streams. */
  readonly streams?: Partial<StreamLimits>;
}

export interface AppEnv {
  Bindings: {
    /** Of a request of the console that this request was made for. */
    readonly requestId?: string;
  };
  Variables: AccessEnv['Variables'] & {
    requestId: string;
    /** The registration of the request, for its log line; unset while unknown. */
    registrationId?: string;
    /** The same of a change of a person. */
    changeId?: string;
    emailHash?: string;
    /** Set where errors have the form of FastAPI (`detail`) instead of problems. */
    plainErrors?: { readonly internal: string | null };
    /** Set where an error is a page for people. */
    errorPage?: (problem: ProblemBody) => Promise<Response>;
  };
}
