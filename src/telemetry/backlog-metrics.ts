import { Gauge, Registry } from 'prom-client';
import { OPEN_CHANGE } from '../domain/change.ts';
import { OPEN } from '../domain/status.ts';
import type { Backlog } from '../domain/backlog.ts';
import { OUTBOX_DESTINATIONS } from '../domain/outbox.ts';
import { codesOf } from './registration-metrics.ts';

/** However many scrape, the ledger is asked this often at most. */
const FRESH_MS = 5000;
/** A scrape has 10 s by Prometheus's default, and must end well before. */
const PATIENCE_MS = 2000;

export interface BacklogMetrics {
  readonly registry: Registry;
  /** Whether the ledger answered, not longer ago than `FRESH_MS`. In bounded time; never throws. */
  refresh(): Promise<boolean>;
}

/** Gauges of what waits in the ledger. While it does not answer they are stale: leave them out. */
export function backlogMetrics(read: () => Promise<Backlog>): BacklogMetrics {
  const registry = new Registry();
  const show = gauges(registry);
  let answered = false;
  let askedAt = -Infinity;
  let asking: Promise<boolean> | null = null;

  async function ask(): Promise<boolean> {
    try {
      show(await read());
      return true;
    } catch {
      return false;
    }
  }

  async function refresh(): Promise<boolean> {
    if (performance.now() - askedAt < FRESH_MS) return answered;
    // One at a time: a question that hangs is not followed by another.
    asking ??= ask().finally(() => {
      asking = null;
    });
    const { promise: tooLate, resolve } = Promise.withResolvers<false>();
    const timer = setTimeout(() => resolve(false), PATIENCE_MS);
    answered = await Promise.race([asking, tooLate]).finally(() => clearTimeout(timer));
    askedAt = performance.now();
    return answered;
  }
  return { registry, refresh };
}

function gauges(registry: Registry): (backlog: Backlog) => void {
  const registers = [registry];
  const open = new Gauge({
    name: 'registrar_open_registrations',
    help: 'Open registrations by status, counted up to 10,000 per status and failure code',
    labelNames: ['status'],
    registers,
  });
  const parked = new Gauge({
    name: 'registrar_parked_registrations',
    help: 'Parked registrations by failure code, counted up to 10,000 per code',
    labelNames: ['code'],
    registers,
  });
  const oldestParked = new Gauge({
    name: 'registrar_oldest_parked_seconds',
    help: 'Age of the oldest parked registration, in seconds',
    registers,
  });
  const oldestAccepted = new Gauge({
    name: 'registrar_oldest_accepted_seconds',
    help: 'Age of the oldest accepted registration whose run has not started, in seconds',
    registers,
  });
  const openChanges = new Gauge({
    name: 'registrar_open_changes',
    help: 'Open changes of registered users by status, counted up to 10,000 per status and failure code',
    labelNames: ['status'],
    registers,
  });
  const parkedChanges = new Gauge({
    name: 'registrar_parked_changes',
    help: 'Parked changes by failure code, counted up to 10,000 per code',
    labelNames: ['code'],
    registers,
  });
  const oldestParkedChange = new Gauge({
    name: 'registrar_oldest_parked_change_seconds',
    help: 'Age of the oldest parked change, in seconds',
    registers,
  });
  const oldestUnparkedChange = new Gauge({
    name: 'registrar_oldest_unparked_change_seconds',
    help: 'Age of the oldest open change that is not parked, in seconds',
    registers,
  });
  const pending = new Gauge({
    name: 'registrar_outbox_pending',
    help: 'Pending outbox deliveries, counted up to 10,000',
    labelNames: ['destination'],
    registers,
  });
  const lag = new Gauge({
    name: 'registrar_outbox_lag_seconds',
    help: 'Age of the oldest pending outbox delivery, in seconds',
    labelNames: ['destination'],
    registers,
  });
  const givenUp = new Gauge({
    name: 'registrar_outbox_given_up',
    help: 'Outbox deliveries that were given up, counted up to 10,000; see `npm run status`',
    labelNames: ['destination'],
    registers,
  });

  return (backlog) => {
    const ofRegistrations = [open, parked, oldestParked, oldestAccepted];
    const ofChanges = [openChanges, parkedChanges, oldestParkedChange, oldestUnparkedChange];
    const ofOutbox = [pending, lag, givenUp];
    for (const gauge of [...ofRegistrations, ...ofChanges, ...ofOutbox]) gauge.reset();
    for (const status of OPEN) open.set({ status }, 0);
    for (const status of OPEN_CHANGE) openChanges.set({ status }, 0);
    for (const code of codesOf('parked')) {
      parked.set({ code }, 0);
      parkedChanges.set({ code }, 0);
    }
    for (const destination of OUTBOX_DESTINATIONS) {
      pending.set({ destination }, 0);
      lag.set({ destination }, 0);
    }
    // The broker is tried without end.
    for (const destination of ['webhook', 'cognito-mail']) givenUp.set({ destination }, 0);
    for (const { status, code, count } of backlog.open) {
      open.inc({ status }, count);
      if (status === 'roles_pending') parked.inc({ code: code ?? 'internal' }, count);
    }
    for (const { status, code, count } of backlog.changes) {
      openChanges.inc({ status }, count);
      if (status === 'parked') parkedChanges.inc({ code: code ?? 'internal' }, count);
    }
    oldestParked.set(oldestOf(backlog.open, 'roles_pending'));
    oldestAccepted.set(oldestOf(backlog.open, 'accepted'));
    oldestParkedChange.set(oldestOf(backlog.changes, 'parked'));
    oldestUnparkedChange.set(oldestOf(backlog.changes, 'accepted', 'running'));
    for (const { destination, count, oldestSeconds } of backlog.outbox) {
      pending.set({ destination }, count);
      lag.set({ destination }, oldestSeconds);
    }
    for (const { destination, count } of backlog.givenUp) givenUp.set({ destination }, count);
  };
}

function oldestOf(
  waiting: readonly { readonly status: string; readonly oldestSeconds: number }[],
  ...statuses: readonly string[]
): number {
  const wanted = waiting.filter(({ status }) => statuses.includes(status));
  return Math.max(0, ...wanted.map(({ oldestSeconds }) => oldestSeconds));
}
