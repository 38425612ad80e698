import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../src/db/client.ts';
import { joinQuotaQueue, takeQuotaCall, type Quota } from '../src/ledger/quota.ts';
import { quotaRates, type QuotaSettings } from '../src/ledger/quota-rates.ts';
import type { Place } from './contract.ts';
import type { IdentityProvider } from '../src/cognito/adapter.ts';
import { REQUEST_TIMEOUT_MS } from '../src/cognito/call.ts';
import { ProviderError } from '../src/cognito/provider-error.ts';

/** Longest wait inside of an attempt; further away, a timer of the run waits. */
const INSIDE_MS = 1000;
const BACKGROUND_SHARE: Partial<Record<Quota, Quota>> = {
  create: 'background_create',
  update: 'background_update',
};
/** What a wait inside leaves of the attempt's time. */
const FOR_THE_CALL_MS = 1500;

/** The quota is spent for now. No failure and no attempt: what is left of the step comes later. */
export class QuotaSpent extends Error {
  override readonly name = 'QuotaSpent';
  /** The place in the queue; null where none was taken. */
  readonly place: (Place & { readonly waitMs: number }) | null;

  constructor(place: QuotaSpent['place']) {
    super('quota exhausted');
    this.place = place;
  }
}

export interface QuotaOptions {
  /** How long the attempt has from now on. */
  readonly withinMs: number;
  /** Whose run it is; null: of no registration. */
  readonly registrationId: string | null;
  /** The step that takes a place in the queue when its call is further away; null: it takes none. */
  readonly queuesAs: string | null;
  /** The place that it took before. */
  readonly place?: Place | undefined;
  readonly signal: AbortSignal;
}

/** Waits until a call may be made. @throws QuotaSpent, DatabaseError */
export type AcquireQuota = (quota: Quota) => Promise<void>;

export interface Quotas {
  acquirer(options: QuotaOptions): AcquireQuota;
}

/** background: its calls are those that are free at once, and a bounded share while persons wait. */
export type QuotaClass = 'person' | 'background';

/** Queues and rates lie in PostgreSQL: the fast path, ordinary activities and the background work of
 * every process draw from the same. An unpaced quota costs no statement. */
export function createQuotas(
  db: Database,
  settings: QuotaSettings,
  quotaClass: QuotaClass = 'person',
): Quotas {
  const isBackground = quotaClass === 'background';
  const perSecond = quotaRates(settings);

  return {
    acquirer({ registrationId, queuesAs, place, signal, withinMs }) {
      const until = Date.now() + withinMs;
      const insideMs = (): number =>
        Math.max(0, Math.min(INSIDE_MS, until - Date.now() - FOR_THE_CALL_MS));
      const callerOf = (quota: Quota) => ({
        quota,
        perSecond: perSecond[quota],
        registrationId,
        step: queuesAs,
        since: place?.quota === quota ? place.at : null,
      });

      async function acquire(quota: Quota): Promise<void> {
        // A deletion goes with the updates while that is quick.
        const updateWithinMs = isBackground ? 0 : insideMs();
        const among =
          quota === 'compensation'
            ? await takeQuotaCall(db, callerOf('update'), updateWithinMs)
            : null;
        const waitMs = among ?? (await takeQuotaCall(db, callerOf(quota), insideMs()));
        if (waitMs !== null) return await pause(waitMs, signal);
        // A request that reads does not come again by itself.
        const queues = registrationId !== null && queuesAs !== null && quota !== 'read';
        if (!queues) throw new QuotaSpent(null);
        const caller = { ...callerOf(quota), registrationId, step: queuesAs };
        const joined = await joinQuotaQueue(db, caller);
        throw new QuotaSpent({ quota, at: joined.since, waitMs: joined.waitMs });
      }

      return async function acquireQuota(quota) {
        if (perSecond[quota] === 0) return;
        const share = isBackground && place?.quota !== quota ? BACKGROUND_SHARE[quota] : undefined;
        if (share) {
          const newcomer = { ...callerOf(quota), since: null };
          if ((await takeQuotaCall(db, newcomer, 0)) !== null) return;
          // Whoever has its turn of the share then waits in the queue like all others.
          await acquire(share);
        }
        await acquire(quota);
      };
    },
  };
}

/** Invitations count as creations. Where no call is free soon, it is what Cognito itself would say:
 * the outbox sends it later, and never gives up. */
export function withInvitationQuota(provider: IdentityProvider, quotas: Quotas): IdentityProvider {
  return {
    ...provider,
    async sendInvitation(username, signal) {
      try {
        const none = { registrationId: null, queuesAs: null };
        await quotas.acquirer({ ...none, withinMs: REQUEST_TIMEOUT_MS, signal })('create');
      } catch (error) {
        if (error instanceof QuotaSpent) throw new ProviderError('TooManyRequestsException', 400);
        throw error;
      }
      await provider.sendInvitation(username, signal);
    },
  };
}

/** Calls about accounts have no place in the queues: they take what registrations leave. */
export function accountQuota(quotas: Quotas): (signal: AbortSignal) => AcquireQuota {
  return (signal) =>
    quotas.acquirer({ registrationId: null, queuesAs: null, withinMs: REQUEST_TIMEOUT_MS, signal });
}

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  if (waitMs === 0) return;
  try {
    await delay(waitMs, undefined, { signal });
  } catch {
    throw new QuotaSpent(null);
  }
}
