import { randomUUID } from 'node:crypto';
import {
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  UserNotFoundException,
} from '@aws-sdk/client-cognito-identity-provider';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { sql } from 'drizzle-orm';
import { createBackgroundActivities } from '../../activities/background/background-activities.ts';
import { createCognito } from '../../src/cognito/adapter.ts';
import { createSessions } from '../../src/cognito/sessions.ts';
import { createPasswordRecovery } from '../../src/cognito/password-recovery.ts';
import type {
  ChangeActivities,
  RegistrationActivities,
  SweepReport,
} from '../../activities/contract.ts';
import { createChangeActivities } from '../../activities/changes/change-activities.ts';
import { createQuotas, type QuotaClass } from '../../activities/quota.ts';
import type { QuotaSettings } from '../../src/ledger/quota-rates.ts';
import { createRegistrationActivities } from '../../activities/registration/registration-activities.ts';
import type { SweepDeps } from '../../activities/background/repair-row.ts';
import { sweep } from '../../activities/background/sweep.ts';
import { tryAdvisoryLock } from '../../src/db/advisory-lock.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import { emailOf, type Registration, workflowIdOf } from '../../src/domain/registration.ts';
import { userWorkflowIdOf } from '../../src/domain/change.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import type { Runs, UserRuns } from '../../src/domain/runs.ts';
import type { RegistrationStatus } from '../../src/domain/status.ts';
import { NO_TELEMETRY, type Telemetry } from '../../src/domain/telemetry.ts';
import { accept, type AcceptResult } from '../../src/ledger/registrations/accept.ts';
import { readRegistration, readTimeline } from '../../src/ledger/registrations/read.ts';
import { createRuns } from '../../src/temporal/runs.ts';
import { createUserRuns } from '../../src/temporal/user-runs.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import {
  createBackgroundWorker,
  together,
  type RunnableWorker,
} from '../../worker/background-worker.ts';
import { createWorker } from '../../worker/worker.ts';
import { acceptInput, type Wanted } from './accept-input.ts';
import { createLedgerDatabase, createTestDatabase, type TestDatabase } from './database.ts';
import { createTestPool, type TestPool } from './cognito.ts';
import { SEALING } from './passwords.ts';
import { ProfileSite } from './profile-site.ts';
import { connectToTemporal, TEST_NAMESPACE, uniqueTaskQueue } from './temporal.ts';
import { known, type Known } from './known.ts';

export interface SagaOptions {
  /** Of the test's own; the shared one by default. */
  readonly temporalAddress?: string;
  readonly retryBudgetSeconds?: number;
  readonly compensationBudgetSeconds?: number;
  readonly propagationGraceSeconds?: number;
  readonly resumeIntervalSeconds?: number;
  /** Told what happens; nobody by default. */
  readonly telemetry?: Telemetry;
  /** Instead of the example's profile service, which starts when a test first needs it. */
  readonly profiles?: ProfileService;
  /** Unpaced where absent. */
  readonly rates?: QuotaSettings;
  /** Wraps the real activities: a crash, a delay, a count. */
  readonly wrap?: (activities: RegistrationActivities) => RegistrationActivities;
  readonly wrapChanges?: (activities: ChangeActivities) => ChangeActivities;
}

/** What is there of an address after the dust has settled. */
export interface World {
  /** The mark of the user in the pool, or null when there is none. */
  readonly mark: string | null;
  readonly roles: readonly string[];
  readonly status: RegistrationStatus | undefined;
}

/** The saga on real parts: Temporal, PostgreSQL, the Cognito sandbox, one worker. */
export class Saga {
  readonly started = new Set<string>();
  /** Persons whose runs were woken. */
  readonly woken = new Set<string>();
  /** As the role of the processes. */
  readonly db: DatabasePool['db'];
  /** As the role that owns the tables: for what the processes may not do. */
  readonly ownerDb: DatabasePool['db'];
  readonly pool: TestPool;
  readonly client: Client;
  readonly runs: Runs;
  readonly userRuns: UserRuns;
  readonly taskQueue: string;
  readonly #connection: NativeConnection;
  readonly database: TestDatabase;
  readonly #ledger: DatabasePool;
  readonly #owner: DatabasePool;
  readonly #background: DatabasePool;
  readonly #options: SagaOptions;
  readonly #stopping = new AbortController();
  #site: Promise<ProfileSite> | undefined;
  #worker: { worker: RunnableWorker; running: Promise<void> } | undefined;

  private constructor(
    connection: NativeConnection,
    database: TestDatabase,
    pool: TestPool,
    options: SagaOptions,
  ) {
    this.#connection = connection;
    this.database = database;
    this.#options = options;
    this.#ledger = openDatabase(database.appUrl, 20);
    this.#owner = openDatabase(database.ownerUrl, 1);
    this.#background = openDatabase(database.appUrl, 5, true, 'registrar-background');
    this.db = this.#ledger.db;
    this.ownerDb = this.#owner.db;
    this.pool = pool;
    this.taskQueue = uniqueTaskQueue('saga');
    this.client = new Client({ connection, namespace: TEST_NAMESPACE });
    const inner = createRuns({
      client: () => this.client,
      taskQueue: this.taskQueue,
      eager: true,
      log: { warn: () => undefined },
    });
    this.runs = {
      ...inner,
      start: async (id, how) => {
        this.started.add(id);
        await inner.start(id, how);
      },
    };
    const users = createUserRuns({
      client: () => this.client,
      taskQueue: this.taskQueue,
      log: { warn: () => undefined },
    });
    this.userRuns = {
      ...users,
      wake: async (userId, why, how) => {
        this.woken.add(userId);
        await users.wake(userId, why, how);
      },
    };
  }

  static async start(options: SagaOptions = {}): Promise<Saga> {
    const database = await createLedgerDatabase();
    const pool = await createTestPool();
    const saga = new Saga(
      await connectToTemporal(options.temporalAddress),
      database,
      pool,
      options,
    );
    await saga.startWorker();
    return saga;
  }

  #deps(quotaClass: QuotaClass) {
    const { db } = quotaClass === 'background' ? this.#background : this;
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
    return {
      db,
      provider: createCognito(this.pool.client, this.pool.userPoolId),
      profiles: this.#options.profiles ?? this.#profiles(),
      sealing: SEALING,
      sessions: createSessions(
        this.pool.client,
        { clientId: this.pool.clientId, clientSecret: null },
        quiet,
      ),
      quotas: createQuotas(db, this.#options.rates ?? { createRps: 0, updateRps: 0 }, quotaClass),
      runs: this.runs,
      userRuns: this.userRuns,
      administratorRoles: ['admin'],
      log: quiet,
      telemetry: this.#options.telemetry ?? NO_TELEMETRY,
      changed: () => undefined,
      stopping: this.#stopping.signal,
      lock: () => tryAdvisoryLock(this.database.appUrl, 1),
      destinations: () => [],
      recovery: createPasswordRecovery(
        this.pool.client,
        { clientId: this.pool.clientId, clientSecret: null },
        quiet,
      ),
      publicMailsPerDay: null,
      personalDataRetentionDays: null,
      retryBudgetSeconds: this.#options.retryBudgetSeconds ?? 1,
      compensationBudgetSeconds: this.#options.compensationBudgetSeconds ?? 1,
      propagationGraceSeconds: this.#options.propagationGraceSeconds ?? 1,
      resumeIntervalSeconds: this.#options.resumeIntervalSeconds ?? 3600,
      apiUrl: 'http://api.example',
    };
  }

  /** The profile service of the registrations that want a profile. */
  async profileSite(): Promise<ProfileSite> {
    this.#site ??= createTestDatabase().then((database) => ProfileSite.start(database));
    return await this.#site;
  }

  #profiles(): ProfileService {
    const client = async () => (await this.profileSite()).client;
    return {
      learnsOfDeletionBy: 'call',
      create: async (...call) => (await client()).create(...call),
      delete: async (...call) => (await client()).delete(...call),
    };
  }

  activities(quotaClass: QuotaClass = 'person'): RegistrationActivities {
    const real = createRegistrationActivities(this.#deps(quotaClass));
    return this.#options.wrap?.(real) ?? real;
  }

  #changeActivities(quotaClass: QuotaClass = 'person'): ChangeActivities {
    const real = createChangeActivities(this.#deps(quotaClass));
    return this.#options.wrapChanges?.(real) ?? real;
  }

  async startWorker(): Promise<void> {
    const of = {
      connection: this.#connection,
      namespace: TEST_NAMESPACE,
      taskQueue: this.taskQueue,
    };
    const worker = together(
      await createWorker({
        ...of,
        activities: { ...this.activities(), ...this.#changeActivities() },
      }),
      await createBackgroundWorker({
        ...of,
        activities: {
          ...this.activities('background'),
          ...this.#changeActivities('background'),
          ...createBackgroundActivities(this.#deps('background')),
        },
      }),
    );
    this.#worker = { worker, running: worker.run() };
  }

  async stopWorker(): Promise<void> {
    if (!this.#worker) return;
    this.#worker.worker.shutdown();
    await this.#worker.running;
    this.#worker = undefined;
  }

  /** Accepts; nothing is started. */
  async accept(wanted: Wanted = {}): Promise<Known> {
    const result = await this.acceptAny(wanted);
    if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
    return known(result.registration);
  }

  /** The transaction as it answers, a conflict included. */
  async acceptAny(wanted: Wanted = {}): Promise<AcceptResult> {
    return await accept(this.db, acceptInput(wanted));
  }

  /** Accepts and starts. */
  async register(wanted: Wanted = {}): Promise<Known> {
    const registration = await this.accept(wanted);
    await this.runs.start(registration.id, 'first');
    return registration;
  }

  /** One round of the schedule that resumes parked runs. */
  async resumeDue(): Promise<void> {
    await this.client.workflow.execute('resumeStuckRegistrations', {
      workflowId: `resume/${randomUUID()}`,
      taskQueue: this.taskQueue,
    });
  }

  /** One sweep, for which a run that has ended has ended for good. */
  async sweep(options: Partial<SweepDeps> = {}): Promise<SweepReport> {
    return await sweep({ ...this.#deps('background'), afterEndMs: 0, ...options });
  }

  handle(id: string): WorkflowHandle {
    return this.client.workflow.getHandle(workflowIdOf(id));
  }

  /** One that was not erased. */
  async row(id: string): Promise<Known> {
    const row = await readRegistration(this.db, id);
    if (!row) throw new Error(`no row ${id}`);
    return known(row);
  }

  /** Polls until the row satisfies the condition; the test's time-out bounds it. */
  async until(id: string, condition: (row: Known) => boolean): Promise<Known> {
    for (;;) {
      const row = await this.row(id);
      if (condition(row)) return row;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Polls until a condition holds; the test's time-out bounds it. */
  async eventually(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** A call of this operation has reached the pool since its counters were cleared. */
  async untilCalled(operation: string, times = 1): Promise<void> {
    await this.eventually(async () => {
      const calls = await this.pool.calls();
      return (calls[operation]?.calls ?? 0) >= times;
    });
  }

  /** The activity of this id has been scheduled that often. */
  async untilScheduled(id: string, activityId: string, times: number): Promise<void> {
    await this.eventually(async () => {
      const { events } = await this.handle(id).fetchHistory();
      const scheduled = (events ?? []).filter(
        (event) => event.activityTaskScheduledEventAttributes?.activityId === activityId,
      );
      return scheduled.length >= times;
    });
  }

  /** The pending activity of this id is in this attempt, or waits for it. */
  async untilAttempt(id: string, activityId: string, attempt: number): Promise<void> {
    await this.eventually(async () => {
      const run = await this.runs.describe(id);
      if (run.kind !== 'open') return false;
      return run.pending.some((at) => at.step === activityId && at.attempt >= attempt);
    });
  }

  async untilStatus(id: string, ...statuses: RegistrationStatus[]): Promise<Known> {
    return await this.until(id, (row) => statuses.includes(row.status));
  }

  /** Waits for the run to close, whatever its end; its failure's type, `canceled`, or `completed`. */
  async ending(id: string): Promise<string> {
    try {
      await this.handle(id).result();
      return 'completed';
    } catch (error) {
      const cause: unknown = error instanceof Error ? error.cause : undefined;
      if (cause instanceof Error && 'type' in cause && typeof cause.type === 'string') {
        return cause.type;
      }
      return cause instanceof Error ? cause.name : String(error);
    }
  }

  async world(registration: Pick<Registration, 'id' | 'email'>): Promise<World> {
    const Username = emailOf(registration);
    const row = await readRegistration(this.db, registration.id);
    const UserPoolId = this.pool.userPoolId;
    try {
      const user = await this.pool.client.send(new AdminGetUserCommand({ UserPoolId, Username }));
      const groups = await this.pool.client.send(
        new AdminListGroupsForUserCommand({ UserPoolId, Username }),
      );
      const mark = user.UserAttributes?.find(({ Name }) => Name === 'custom:registration_id');
      return {
        mark: mark?.Value ?? 'none',
        roles: (groups.Groups ?? []).map(({ GroupName }) => GroupName ?? '').toSorted(),
        status: row?.status,
      };
    } catch (error) {
      if (error instanceof UserNotFoundException) {
        return { mark: null, roles: [], status: row?.status };
      }
      throw error;
    }
  }

  async events(id: string): Promise<string[]> {
    return (await readTimeline(this.db, id)).map(({ event }) => event);
  }

  /** Makes the trail refuse one event: `definitive` for ever, or `transient` for the first times. */
  async refuseAudit(event: string, how: 'definitive' | { transientTimes: number }): Promise<void> {
    const body =
      how === 'definitive'
        ? `RAISE EXCEPTION 'refused' USING ERRCODE = 'P0001';`
        : `IF nextval('refusals') <= ${how.transientTimes} THEN
             RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END IF; RETURN NEW;`;
    await this.ownerDb.execute(sql.raw(`CREATE SEQUENCE IF NOT EXISTS refusals`));
    await this.ownerDb.execute(
      sql.raw(`CREATE OR REPLACE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN ${body} END $$`),
    );
    await this.ownerDb.execute(
      sql.raw(`CREATE TRIGGER refuse_event BEFORE INSERT ON audit_events FOR EACH ROW
        WHEN (NEW.event = '${event}') EXECUTE FUNCTION refuse_event()`),
    );
  }

  async allowAudit(): Promise<void> {
    await this.ownerDb.execute(sql.raw('DROP TRIGGER IF EXISTS refuse_event ON audit_events'));
    await this.ownerDb.execute(sql.raw('DROP SEQUENCE IF EXISTS refusals'));
  }

  /** Replays every history this saga made, then takes everything down. */
  async stop(): Promise<void> {
    await this.stopWorker();
    try {
      await this.replayAll();
    } finally {
      this.#stopping.abort();
      await (await this.#site)?.stop();
      await this.#connection.close();
      await this.#ledger.close();
      await this.#background.close();
      await this.#owner.close();
      await this.pool.remove();
      await this.database.drop();
    }
  }

  async replayAll(): Promise<void> {
    const histories = [];
    const ids = [...this.started].map(workflowIdOf);
    for (const workflowId of [...ids, ...[...this.woken].map(userWorkflowIdOf)]) {
      const history = await this.client.workflow.getHandle(workflowId).fetchHistory();
      histories.push({ workflowId, history });
    }
    const bundle = await workflowBundle();
    const results = Worker.runReplayHistories({ workflowBundle: bundle }, histories);
    for await (const { workflowId, error } of results) {
      if (error) throw new Error(`history of ${workflowId} does not replay: ${error.message}`);
    }
  }
}
