import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../src/db/client.ts';
import { queue, takeCall, type Quota } from '../src/ledger/quota.ts';
import type { Place } from './contract.ts';
import { REQUEST_TIMEOUT_MS, type IdentityProvider } from './cognito.ts';
import { ProviderError } from './provider-error.ts';

/** Longest wait inside of an attempt; further away, a timer of the run waits. */
const INSIDE_MS = 1000;
/** Of the updates' rate: no backlog of role assignments holds up what takes back. */
const KEPT_FOR_DELETIONS = 0.2;
/** What a wait inside leaves of the attempt's time. */
const FOR_THE_CALL_MS = 1500;

/** What this deployment may take of the account's quotas, per second; 0 is unpaced. */
export interface QuotaRates {
  readonly createRps: number;
  readonly updateRps: number;
}

/** The quota is spent for now. No failure and no attempt: what is left of the step comes later. */
export class QuotaSpent extends Error {
  override readonly name = 'QuotaSpent';
  /** The place in the queue; null where none was taken. */
  readonly place: (Place & { readonly waitMs: number }) | null;

  constructor(place: QuotaSpent['place']) {
    super('the quota is spent for now');
    this.place = place;
  }
}

export interface TurnOptions {
  /** How long the attempt has from now on. */
  readonly withinMs: number;
  /** Whether a call whose turn is further away takes a place in the queue. */
  readonly queues: boolean;
  /** The place that was taken before. */
  readonly place?: Place | undefined;
  readonly signal: AbortSignal;
}

/** Waits for a call's turn. @throws QuotaSpent, DatabaseError */
export type Turn = (quota: Quota) => Promise<void>;

export interface Quotas {
  turns(options: TurnOptions): Turn;
}

/** Queues and rates lie in PostgreSQL: the fast path, ordinary activities and the background work of
 * every process draw from the same. An unpaced quota costs no statement. */
export function createQuotas(db: Database, { createRps, updateRps }: QuotaRates): Quotas {
  const deletions = updateRps * KEPT_FOR_DELETIONS;
  const perSecond = { create: createRps, update: updateRps - deletions, compensation: deletions };

  return {
    turns(options) {
      const { place } = options;
      const until = Date.now() + options.withinMs;
      const insideMs = (): number =>
        Math.max(0, Math.min(INSIDE_MS, until - Date.now() - FOR_THE_CALL_MS));

      async function call(quota: Quota): Promise<number | null> {
        const turnAt = place?.quota === quota ? place.at : null;
        return await takeCall(db, {
          quota,
          perSecond: perSecond[quota],
          turnAt,
          withinMs: insideMs(),
        });
      }

      return async (quota) => {
        if (perSecond[quota] === 0) return;
        // A deletion goes with the updates while that is quick.
        const among = quota === 'compensation' ? await call('update') : null;
        const waitMs = among ?? (await call(quota));
        if (waitMs !== null) return await pause(waitMs, options.signal);
        if (!options.queues) throw new QuotaSpent(null);
        throw new QuotaSpent({ quota, ...(await queue(db, quota, perSecond[quota])) });
      };
    },
  };
}

/** Invitations count as creations. Where there is no turn soon, it is what Cognito itself would say:
 * the outbox sends it later, and never gives up. */
export function invitationsInTurn(provider: IdentityProvider, quotas: Quotas): IdentityProvider {
  return {
    ...provider,
    async sendInvitation(username, signal) {
      try {
        await quotas.turns({ withinMs: REQUEST_TIMEOUT_MS, queues: false, signal })('create');
      } catch (error) {
        if (error instanceof QuotaSpent) throw new ProviderError('TooManyRequestsException', 400);
        throw error;
      }
      await provider.sendInvitation(username, signal);
    },
  };
}

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  if (waitMs === 0) return;
  try {
    await delay(waitMs, undefined, { signal });
  } catch {
    throw new QuotaSpent(null);
  }
}
