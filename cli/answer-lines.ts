import { z } from 'zod';
import { FAILURES, isFailureName } from '../src/domain/failure.ts';

const Failure = z.object({ code: z.string(), cause: z.string(), detail: z.string() });
const Step = z.object({
  name: z.string(),
  status: z.string(),
  attempts: z.number(),
  lastError: z.string().nullable(),
  nextRetryAt: z.string().nullable(),
});
/** What the receipts of registrations and changes share, and what each adds. */
const Receipt = z.object({
  id: z.string(),
  status: z.string(),
  kind: z.string().optional(),
  email: z.string().nullish(),
  userId: z.string().nullable(),
  roles: z.array(z.string()),
  acceptedAt: z.string(),
  resumesAt: z.string().nullable(),
  failure: Failure.nullable(),
  compensationFailures: z.array(z.object({ step: z.string(), code: z.string() })).optional(),
  invitation: z.object({ status: z.string(), failure: Failure.nullable() }).optional(),
  steps: z.array(Step),
  workflow: z.object({ url: z.string().nullable() }),
});
type Receipt = z.infer<typeof Receipt>;

const User = z.object({
  userId: z.string(),
  email: z.string(),
  roles: z.array(z.string()),
  enabled: z.boolean(),
  status: z.string(),
});

const Problem = z.object({
  type: z.string().startsWith('/problems/'),
  status: z.number(),
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  registrationId: z.string().optional(),
});
const List = z.object({ items: z.array(z.unknown()), total: z.number().nullish() });

/** An answer of the API as lines for a person: a list has one per item. */
export function answerLines(answer: unknown): string[] {
  const problem = Problem.safeParse(answer).data;
  if (problem) return problemLines(problem);
  const list = List.safeParse(answer).data;
  if (list) {
    return [...list.items.map(itemLine), `${list.total ?? list.items.length} found`];
  }
  const receipt = Receipt.safeParse(answer).data;
  if (receipt) return receiptLines(receipt);
  return fieldsOf(answer).map(([name, value]) => `${name}: ${value}`);
}

function problemLines(problem: z.infer<typeof Problem>): string[] {
  const { status, code, detail, errors = [], registrationId } = problem;
  return [
    `${status} ${code}: ${detail}`,
    ...errors.map(({ pointer, detail: what }) => `  ${pointer}: ${what}`),
    ...(registrationId === undefined ? [] : [`  registration: ${registrationId}`]),
  ];
}

function itemLine(item: unknown): string {
  const receipt = Receipt.safeParse(item).data;
  if (receipt) return headline(receipt);
  const user = User.safeParse(item).data;
  if (user) return userLine(user);
  return fieldsOf(item)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function headline({
  id,
  status,
  kind,
  email,
  userId,
  roles,
  acceptedAt,
  failure,
}: Receipt): string {
  const whom = email ?? (userId === null ? '' : `user ${userId}`);
  const words = [id, kind, status, whom, `[${roles.join(', ')}]`, `since ${acceptedAt}`];
  const why = failure ? `: ${failure.code} (${failure.cause})` : '';
  return `${words.filter(Boolean).join(' ')}${why}`;
}

function userLine({ userId, email, roles, enabled, status }: z.infer<typeof User>): string {
  return `${userId} ${email} [${roles.join(', ')}] ${enabled ? 'enabled' : 'disabled'} ${status}`;
}

function receiptLines(receipt: Receipt): string[] {
  const { failure, resumesAt, compensationFailures = [], invitation, steps, workflow } = receipt;
  const lines = [
    ...(failure ? [`why: ${failure.detail}`] : []),
    ...steps.map(stepLine),
    ...compensationFailures.map(({ step, code }) => `cleanup failed: ${step}, ${code}`),
    ...(invitation
      ? [`invitation: ${[invitation.status, invitation.failure?.code].filter(Boolean).join(', ')}`]
      : []),
    ...(resumesAt === null ? [] : [`resumes: ${resumesAt}`]),
    ...remedyLines(receipt),
    ...(workflow.url === null ? [] : [`Temporal UI: ${workflow.url}`]),
  ];
  return [headline(receipt), ...lines.map((line) => `  ${line}`)];
}

function stepLine({
  name,
  status,
  attempts,
  lastError,
  nextRetryAt,
}: z.infer<typeof Step>): string {
  const error = lastError === null || status === 'done' ? '' : `, ${lastError}`;
  const next = nextRetryAt === null ? '' : `, next attempt ${nextRetryAt}`;
  return `step ${name}: ${status}, attempts ${attempts}${error}${next}`;
}

/** What an operator does about it, and the request that clears it once the cause is gone. */
function remedyLines({ id, status, kind, failure, invitation }: Receipt): string[] {
  const { cause: written = '' } = failure ?? invitation?.failure ?? {};
  const cause = status === 'cleanup_required' ? 'manual_cleanup_required' : written;
  const remedy = isFailureName(cause) ? [`do: ${FAILURES[cause].operator}`] : [];
  if (!['roles_pending', 'cleanup_required', 'parked'].includes(status)) return remedy;
  const path = kind === undefined ? 'registrations' : 'changes';
  return [...remedy, `then: npm run request -- POST /${path}/${id}/retry`];
}

/** Every value that is there, by its path. */
function fieldsOf(value: unknown, path = ''): [string, string][] {
  if (value === null || value === undefined) return [];
  if (typeof value !== 'object') return [[path, textOf(value)]];
  const values: unknown[] = Object.values(value);
  if (Array.isArray(value) && values.every((one) => typeof one !== 'object')) {
    return [[path, values.join(', ')]];
  }
  return Object.entries(value).flatMap(([name, one]) =>
    fieldsOf(one, path === '' ? name : `${path}.${name}`),
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
