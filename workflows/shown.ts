import { defineSearchAttributeKey } from '@temporalio/common';
import { patched, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type {
  ChangeProgress,
  RegistrationProgress,
  RegistrationRef,
} from '../activities/contract.ts';
import { FAILURES, isFailureName, parkedAs, type FailureName } from '../src/domain/failure.ts';
import type { PublicFailure } from '../src/domain/registration.ts';
import { FAILURE_ATTRIBUTE, STATUS_ATTRIBUTE } from './messages.ts';

/*
 * What the Temporal UI shows of a run: search attributes in its list, and "current details" in words.
 * Details add no event, so they may change without regard to old histories; an upsert is an event.
 */

const STATUS = defineSearchAttributeKey(STATUS_ATTRIBUTE, 'KEYWORD');
const FAILURE = defineSearchAttributeKey(FAILURE_ATTRIBUTE, 'KEYWORD');

/** Shows the row's word while the run is open and not running, and the code that it waits for or ends with. */
export function showStatus(status: string | null, failure: PublicFailure | null): void {
  upsertSearchAttributes([
    { key: STATUS, value: status },
    { key: FAILURE, value: failure?.code ?? null },
  ]);
}

/** As showStatus, at a place where histories from before RegistrationFailure have no event. */
export function showStatusSince(
  patch: string,
  status: string | null,
  failure: PublicFailure | null,
): void {
  if (patched(patch)) showStatus(status, failure);
}

export function showParked(ref: RegistrationRef, run: RegistrationProgress): void {
  showStatus(run.status, run.failure);
  setCurrentDetails(
    details(receiptOf(ref, run), {
      title: 'Parked',
      since: run.parkedAt ?? now(),
      why: run.failure,
      todo: remedyOf(run.failure),
      actions: [retry(registrationPath(ref)), ONE_ATTEMPT, CANCEL],
    }),
  );
}

/** Creating the user goes on slowly: the run stays `running`. */
export function showSlowCreate(
  ref: RegistrationRef,
  run: RegistrationProgress,
  failure: FailureName,
): void {
  const parked = parkedAs(failure);
  const { code, publicText: detail } = FAILURES[parked];
  const why = { code, cause: parked, detail };
  showStatusSince('shows-slow-create', null, why);
  setCurrentDetails(
    details(receiptOf(ref, run), {
      title: 'Creating the user keeps failing; tried every 60 s',
      since: now(),
      why,
      todo: remedyOf(why),
      actions: [retry(registrationPath(ref)), CANCEL],
    }),
  );
}

export function showCompensation(ref: RegistrationRef, run: RegistrationProgress): void {
  showStatus(run.status, run.failure);
  const stuck = run.status === 'cleanup_required';
  setCurrentDetails(
    details(receiptOf(ref, run), {
      title: stuck ? 'Cleanup required: undoing keeps failing; tried every 60 s' : 'Being undone',
      since: now(),
      why: run.failure,
      todo: stuck ? FAILURES.manual_cleanup_required.operator : null,
      actions: stuck ? [retry(registrationPath(ref))] : [],
    }),
  );
}

/** @param wasParked the list shows it already */
export function showParkedChange(change: ChangeProgress, wasParked: boolean): void {
  const { changeId, kind, parked, restores, apiUrl } = change;
  const failure = parked?.failure ?? null;
  if (!wasParked) showStatus(change.status, failure);
  const path = `/changes/${changeId}`;
  const stays = restores || kind === 'sign_out' || kind === 'delete';
  setCurrentDetails(
    details(receipt(path, apiUrl), {
      title: restores ? 'Parked while everything is put back' : `Parked: ${kind} of the account`,
      since: parked?.at ?? now(),
      why: failure,
      todo: remedyOf(failure),
      actions: [retry(path), ONE_WAKE, ...(stays ? [] : [CANCEL])],
    }),
  );
}

/** A run whose registration was closed before it began, as after a Reset. */
export function showClosedAlready(ref: RegistrationRef, run: RegistrationProgress): void {
  setCurrentDetails(
    `**The registration was closed already** as \`${run.status}\`. This run changed nothing.\n\n${receiptOf(ref, run)}`,
  );
}

/** The run is on its way, or over. */
export function showNothing(): void {
  setCurrentDetails('');
}

interface Shown {
  readonly title: string;
  /** RFC 3339. */
  readonly since: string;
  readonly why: PublicFailure | null;
  readonly todo: string | null;
  readonly actions: readonly string[];
}

/** The UI renders Markdown in a frame that cuts off the last line. */
const LAST_LINE = '\u00A0';

/** Markdown, which the UI renders. */
function details(link: string, { title, since, why, todo, actions }: Shown): string {
  return [
    `**${title}**, since ${since}.${why ? ` ${why.detail} (\`${why.code}\`)` : ''} ${link}`,
    ...(todo === null ? [] : [`**What to do:** ${todo}`]),
    ...(actions.length > 0 ? [actions.map((action) => `- ${action}`).join('\n')] : []),
    LAST_LINE,
  ].join('\n\n');
}

const ONE_ATTEMPT = 'One attempt now: *Send a Signal*, `resume`, with the input `"schedule"`';
const ONE_WAKE = 'One attempt now: *Send a Signal*, `wake`, with the input `"schedule"`';
const CANCEL = 'Undo everything: *Request Cancellation*';

function retry(path: string): string {
  return `Retry now with a full budget: \`POST ${path}/retry\``;
}

function registrationPath({ registrationId }: RegistrationRef): string {
  return `/registrations/${registrationId}`;
}

function receiptOf(ref: RegistrationRef, { apiUrl }: RegistrationProgress): string {
  return receipt(registrationPath(ref), apiUrl);
}

function receipt(path: string, apiUrl: string | undefined): string {
  return apiUrl === undefined ? `Receipt: \`GET ${path}\`` : `[Receipt](${apiUrl}${path})`;
}

function remedyOf(failure: PublicFailure | null): string | null {
  return failure && isFailureName(failure.cause) ? FAILURES[failure.cause].operator : null;
}

/** By the clock of the run, which a replay repeats. */
function now(): string {
  return new Date().toISOString();
}
