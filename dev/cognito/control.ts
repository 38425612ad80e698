import type { Body } from './model.ts';
import { FaultPlanError, parseFaultPlan } from './fault-plan.ts';
import { mailboxPage, type Page } from './mailbox-page.ts';
import { setRules } from './pool-record.ts';
import type { Sandbox } from './sandbox.ts';
import { mintToken, type Signer } from './tokens.ts';

export interface ControlRequest {
  readonly method: string;
  readonly url: URL;
  readonly body: Body;
  /** A browser asks. */
  readonly wantsPage: boolean;
}

export interface ControlAnswer {
  readonly status: number;
  readonly json: unknown;
}

/**
 * What only the sandbox has, below `/_sandbox`; `?pool=` narrows each to one pool:
 * `GET|DELETE mail` (`?to=` narrows, a browser gets a page), `GET|DELETE calls`, `GET call-times`,
 * `GET late`, `GET|PUT|DELETE faults`, `POST tokens` (claims), `GET|POST clock` (`{advanceSeconds}`).
 */
export function answerControl(
  { method, url, body, wantsPage }: ControlRequest,
  sandbox: Sandbox,
  signer: Signer,
  endpoint: string,
): ControlAnswer | Page {
  const poolId = url.searchParams.get('pool') ?? undefined;
  const records = poolId === undefined ? [...sandbox.records.values()] : [sandbox.recordOf(poolId)];
  switch (`${method} ${url.pathname}`) {
    case 'GET /health':
      return { status: 200, json: { ok: true } };
    case 'GET /_sandbox/mail':
      return mailOf(sandbox, poolId, url, wantsPage);
    case 'DELETE /_sandbox/mail':
      sandbox.mailbox.clear(poolId);
      return { status: 204, json: null };
    case 'GET /_sandbox/clock':
      return clockOf(sandbox, poolId);
    case 'POST /_sandbox/clock':
      return advanceClock(sandbox, poolId, body);
    case 'GET /_sandbox/calls': {
      const counts: Record<string, { calls: number; done: number }> = {};
      for (const [operation, count] of records.flatMap(({ calls }) => [...calls])) {
        const sum = (counts[operation] ??= { calls: 0, done: 0 });
        sum.calls += count.calls;
        sum.done += count.done;
      }
      return { status: 200, json: counts };
    }
    case 'GET /_sandbox/call-times':
      return { status: 200, json: { items: records.flatMap(({ callTimes }) => callTimes) } };
    case 'GET /_sandbox/late':
      return { status: 200, json: { pending: records.reduce((sum, { late }) => sum + late, 0) } };
    case 'DELETE /_sandbox/calls':
      for (const record of records) {
        record.calls.clear();
        record.callTimes = [];
      }
      return { status: 204, json: null };
    case 'GET /_sandbox/faults':
      return {
        status: 200,
        json: [...sandbox.rules(), ...records.flatMap(({ rules }) => rules)],
      };
    case 'PUT /_sandbox/faults':
      return changeRules(sandbox, poolId, body);
    case 'DELETE /_sandbox/faults':
      return changeRules(sandbox, poolId, []);
    case 'POST /_sandbox/tokens': {
      if (poolId === undefined)
        return { status: 400, json: { error: 'the query parameter pool is required' } };
      const token = mintToken(signer, `${endpoint}/${poolId}`, body);
      return { status: 200, json: { token } };
    }
    default:
      return { status: 404, json: { error: 'the sandbox has no such path' } };
  }
}

function mailOf(
  sandbox: Sandbox,
  poolId: string | undefined,
  url: URL,
  wantsPage: boolean,
): ControlAnswer | Page {
  const to = url.searchParams.get('to') ?? undefined;
  const same = (address: string): boolean => address.toLowerCase() === to?.toLowerCase();
  const items = sandbox.mailbox.list(poolId).filter((mail) => to === undefined || same(mail.to));
  if (wantsPage) return mailboxPage(items, to, url.pathname + url.search);
  return { status: 200, json: { items } };
}

function clockOf(sandbox: Sandbox, poolId: string | undefined): ControlAnswer {
  const pool = sandbox.engine.pools().find(({ options }) => options.Id === poolId);
  if (pool === undefined) return { status: 404, json: { error: 'the sandbox has no such pool' } };
  return { status: 200, json: { now: pool.now() } };
}

/** Codes, sessions of challenges, temporary passwords and tokens end by this clock. */
function advanceClock(sandbox: Sandbox, poolId: string | undefined, body: Body): ControlAnswer {
  const { advanceSeconds } = body;
  if (typeof advanceSeconds !== 'number' || !(advanceSeconds >= 0)) {
    return { status: 400, json: { error: 'advanceSeconds must be a number from 0' } };
  }
  const pools = sandbox.engine.pools();
  const meant = pools.filter(({ options }) => poolId === undefined || options.Id === poolId);
  for (const pool of meant) pool.advanceClock(advanceSeconds * 1000);
  return { status: 200, json: { pools: meant.length } };
}

function changeRules(sandbox: Sandbox, poolId: string | undefined, plan: unknown): ControlAnswer {
  try {
    const rules = parseFaultPlan(plan);
    if (poolId === undefined) sandbox.setRules(rules);
    else setRules(sandbox.recordOf(poolId), rules);
    return { status: 200, json: { rules: rules.length } };
  } catch (error) {
    if (error instanceof FaultPlanError) return { status: 400, json: { error: error.message } };
    throw error;
  }
}
