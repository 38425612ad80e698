import * as cognito from '@aws-sdk/client-cognito-identity-provider';

/** What a rule of a fault plan does to the calls it meets. Milliseconds throughout. */
export type Fault =
  | { readonly kind: 'latency'; readonly ms: number }
  /** An error of the service. With `lateMs` the call takes effect all the same, that much later. */
  | { readonly kind: 'server'; readonly status?: 500 | 503; readonly lateMs?: number }
  | { readonly kind: 'throttle' }
  /**
   * The connection is cut without a reply: at once, or `cutAfterMs` after the call came. With
   * `effect: 'after'` the call takes effect first, or `lateMs` later, whatever has happened since.
   */
  | {
      readonly kind: 'replyLost';
      readonly effect: 'before' | 'after';
      readonly lateMs?: number;
      readonly cutAfterMs?: number;
    }
  /**
   * The effect of this call stays invisible to the operations named. By default a user whom it made is
   * invisible to all of them, any other effect to those that list users or groups.
   */
  | { readonly kind: 'lag'; readonly ms: number; readonly hides?: readonly string[] }
  /**
   * AdminCreateUser does not see a user of the same address whose own create came within `ms` of it:
   * both persist, as near-simultaneous creates may.
   */
  | { readonly kind: 'duplicate'; readonly ms: number }
  | { readonly kind: 'deliveryFailure' }
  | { readonly kind: 'refused'; readonly error?: string }
  | { readonly kind: 'error'; readonly error: string; readonly status?: number };

export interface Rule {
  /** Name in the Cognito API, as `AdminCreateUser`; `*` means all. */
  readonly operation: string;
  /** Patterns, in which `*` stands for any text; all of them must fit. */
  readonly match?: { readonly email?: string; readonly username?: string; readonly group?: string };
  /** How many calls it meets; all when absent. */
  readonly times?: number;
  /** How many fitting calls it lets pass first. */
  readonly after?: number;
  readonly fault: Fault;
}

/** Writes whose effect `lag` may hide. */
export const MAY_LAG: ReadonlySet<string> = new Set([
  'AdminCreateUser',
  'AdminDeleteUser',
  'AdminDisableUser',
  'AdminEnableUser',
  'AdminAddUserToGroup',
  'AdminRemoveUserFromGroup',
]);

export class FaultPlanError extends Error {
  override readonly name = 'FaultPlanError';
}

type Json = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;
const isName = (value: unknown): boolean =>
  typeof value === 'string' && /^[A-Z][A-Za-z]+$/.test(value);
/** A rule for a call that nobody makes would be met by nobody, and nobody would see why. */
const isOperation = (value: unknown): boolean =>
  typeof value === 'string' && Object.hasOwn(cognito, `${value}Command`);
const isOperations = (value: unknown): boolean => Array.isArray(value) && value.every(isOperation);

type Check = readonly [key: string, required: boolean, fits: (value: unknown) => boolean];

const FAULTS: Readonly<Record<Fault['kind'], readonly Check[]>> = {
  latency: [['ms', true, isCount]],
  server: [
    ['status', false, (value) => value === 500 || value === 503],
    ['lateMs', false, isCount],
  ],
  throttle: [],
  replyLost: [
    ['effect', true, (value) => value === 'before' || value === 'after'],
    ['lateMs', false, isCount],
    ['cutAfterMs', false, isCount],
  ],
  lag: [
    ['ms', true, isCount],
    ['hides', false, isOperations],
  ],
  duplicate: [['ms', true, isCount]],
  deliveryFailure: [],
  refused: [['error', false, isName]],
  error: [
    ['error', true, isName],
    ['status', false, (value) => isCount(value) && Number(value) >= 400 && Number(value) < 600],
  ],
};

/** Parses a plan: a list of rules. Throws `FaultPlanError`, which names the rule and the key. */
export function parseFaultPlan(json: unknown): Rule[] {
  if (!Array.isArray(json)) throw new FaultPlanError('a fault plan is a list of rules');
  return json.map((rule: unknown, index) => parseRule(rule, `rule ${index + 1}`));
}

function parseRule(rule: unknown, where: string): Rule {
  if (!isObject(rule)) throw new FaultPlanError(`${where}: not an object`);
  const fault = rule['fault'];
  const kind = isObject(fault) ? String(fault['kind']) : '';
  if (!isObject(fault) || !Object.hasOwn(FAULTS, kind)) {
    throw new FaultPlanError(`${where}: fault.kind is one of ${Object.keys(FAULTS).join(', ')}`);
  }
  check(fault, [['kind', true, () => true], ...FAULTS[kind as Fault['kind']]], `${where}: fault.`);
  if (fault['effect'] === 'before' && fault['lateMs'] !== undefined) {
    throw new FaultPlanError(`${where}: fault.lateMs needs effect "after"`);
  }
  const match = rule['match'];
  if (match !== undefined) {
    const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
    if (!isObject(match)) throw new FaultPlanError(`${where}: match is not an object`);
    const checks = ['email', 'username', 'group'].map((key) => [key, false, isText] as const);
    check(match, checks, `${where}: match.`);
  }
  check(
    rule,
    [
      ['operation', true, (value) => value === '*' || isOperation(value)],
      ['match', false, isObject],
      ['times', false, isCount],
      ['after', false, isCount],
      ['fault', true, isObject],
    ],
    `${where}: `,
  );
  const { operation } = rule as { operation: string };
  if (kind === 'lag' && operation !== '*' && !MAY_LAG.has(operation)) {
    throw new FaultPlanError(`${where}: fault.kind lag fits only ${[...MAY_LAG].join(', ')}`);
  }
  return rule as unknown as Rule;
}

function check(object: Json, checks: readonly Check[], where: string): void {
  for (const [key, required, fits] of checks) {
    const value = object[key];
    if (value === undefined ? required : !fits(value)) {
      throw new FaultPlanError(`${where}${key} is ${value === undefined ? 'missing' : 'wrong'}`);
    }
  }
  const known = checks.map(([key]) => key);
  const unknown = Object.keys(object).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new FaultPlanError(`${where}${unknown} is not known`);
}

/** What a rule may match of a call. */
export interface Call {
  readonly operation: string;
  readonly email: string;
  readonly username: string;
  readonly group: string;
}

/** A plan with its counters: `meet` spends the rules that a call meets. */
export function createFaultState(rules: readonly Rule[]): { meet(call: Call): Fault[] } {
  const counters = rules.map((rule) => ({ rule, seen: 0 }));
  return {
    meet(call) {
      const faults: Fault[] = [];
      for (const counter of counters) {
        const { rule } = counter;
        if (!fitsRule(rule, call)) continue;
        counter.seen += 1;
        const turn = counter.seen - (rule.after ?? 0);
        if (turn > 0 && turn <= (rule.times ?? Infinity)) faults.push(rule.fault);
      }
      return faults;
    },
  };
}

function fitsRule({ operation, match }: Rule, call: Call): boolean {
  if (operation !== '*' && operation !== call.operation) return false;
  return (['email', 'username', 'group'] as const).every((key) => {
    const pattern = match?.[key];
    return pattern === undefined || fitsPattern(pattern, call[key]);
  });
}

function fitsPattern(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'iu').test(text);
}
