import { createHmac, randomBytes } from 'node:crypto';
import {
  consumeProfileReplies,
  type ProfileReplyDeps,
} from '../../activities/relay/profile-replies.ts';
import type { AmqpProfileSettings } from '../../src/config/profile-settings.ts';
import type { ProfileReplyOutcome } from '../../src/domain/telemetry.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import type { Ledger } from '../integration/ledger/ledger-under-test.ts';
import { eventually } from './eventually.ts';
import type { Broker } from './rabbitmq.ts';

/** Settings of the profile step over a test's broker, with names of its own. */
export function profileSettings(broker: Pick<Broker, 'url'>, name: string): AmqpProfileSettings {
  return {
    form: 'amqp',
    url: broker.url,
    secret: `whsec_${randomBytes(24).toString('base64')}`,
    requestExchange: `${name}_requests`,
    requestKey: 'user.sync',
    replyExchange: `${name}_replies`,
    replyKey: 'user.created',
    replyQueue: `${name}_reply_queue`,
  };
}

/** What a service echoes in `original_request`. */
export function originalRequest(registration_id: string, { secret }: { secret: string }) {
  const reply_token = createHmac('sha256', secret).update(registration_id).digest('base64url');
  return { registration_id, reply_token, username: null, email: 'x@example.com', user_id: 'sub' };
}

/** A consumer of replies without Temporal, as each worker has one. */
export class Consumer {
  readonly settled: ProfileReplyOutcome[] = [];
  readonly woken: string[] = [];
  readonly takenBack: string[] = [];
  readonly warnings: object[] = [];
  readonly #said: string[] = [];
  readonly #over = new AbortController();
  readonly #pool: DatabasePool;
  readonly #ended: Promise<void>;

  constructor(
    ledger: Pick<Ledger, 'database'>,
    settings: AmqpProfileSettings,
    more: Partial<ProfileReplyDeps> = {},
  ) {
    this.#pool = openDatabase(ledger.database.appUrl, 5);
    this.#ended = consumeProfileReplies(
      {
        settings,
        db: this.#pool.db,
        log: {
          info: (_fields, message) => void this.#said.push(message),
          warn: (fields) => void this.warnings.push(fields),
          error: (fields) => void this.warnings.push(fields),
        },
        telemetry: { profileReplied: (outcome) => void this.settled.push(outcome) },
        runs: { resume: async (id) => void this.woken.push(id) },
        profiles: {
          learnsOfDeletionBy: 'event',
          create: () => Promise.reject(new Error('a consumer creates no profile')),
          delete: async ({ registrationId }) => {
            this.takenBack.push(registrationId);
            return 'final';
          },
        },
        ...more,
      },
      this.#over.signal,
    );
  }

  /** Its queue is bound: what is published from here on reaches it. */
  async consumes(): Promise<void> {
    await eventually(() => this.#said.includes('consuming profile replies'));
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#ended;
    await this.#pool.close(1);
  }
}
