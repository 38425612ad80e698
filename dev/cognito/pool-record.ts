import { createFaultState, type Rule } from './fault-plan.ts';
import type { User } from './model.ts';

/** How often an operation was called, and how often it took effect. */
export interface CallCount {
  calls: number;
  done: number;
}

/** One call, when it came; in milliseconds since the epoch. */
export interface CallTime {
  readonly operation: string;
  readonly at: number;
}

/** What the sandbox knows of one pool beside its users; gone when the sandbox ends. */
export interface PoolRecord {
  readonly calls: Map<string, CallCount>;
  callTimes: CallTime[];
  faults: ReturnType<typeof createFaultState>;
  rules: readonly Rule[];
  /** Requests whose reply was lost and whose effect is still to come. */
  late: number;
  /** Username → when the create of the user came (ms since the epoch), however late it took effect. */
  readonly createCame: Map<string, number>;
  /** In the order of their effects. */
  lagging: LaggingWrite[];
}

/** A write that some operations do not see yet. */
export interface LaggingWrite {
  /** In milliseconds since the epoch. */
  readonly until: number;
  /** undefined: from all operations. */
  readonly hiddenFrom: readonly string[] | undefined;
  readonly username: string;
  /** The user before the write; null: there was none. */
  readonly before: User | null;
  readonly groupsBefore: readonly string[];
}

const CALL_TIMES_KEPT = 10_000;

export function createPoolRecord(): PoolRecord {
  return {
    calls: new Map(),
    callTimes: [],
    faults: createFaultState([]),
    rules: [],
    late: 0,
    createCame: new Map(),
    lagging: [],
  };
}

export function setRules(record: PoolRecord, rules: readonly Rule[]): void {
  record.rules = rules;
  record.faults = createFaultState(rules);
}

function countOf(record: PoolRecord, operation: string): CallCount {
  const known = record.calls.get(operation);
  if (known) return known;
  const count = { calls: 0, done: 0 };
  record.calls.set(operation, count);
  return count;
}

/** Answers what the call is counted in: once the counts are cleared, nobody's. */
export function recordCall(record: PoolRecord, operation: string): CallCount {
  const count = countOf(record, operation);
  count.calls += 1;
  record.callTimes.push({ operation, at: Date.now() });
  if (record.callTimes.length > CALL_TIMES_KEPT) record.callTimes.shift();
  return count;
}
