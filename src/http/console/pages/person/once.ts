import type { AuditEventName } from '../../../../domain/audit-event.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import type { ApiAnswer } from '../../call-api.ts';
import { h, type Content } from '../../elements.ts';
import type { FormFields } from '../../visit.ts';

type Work = Pick<Receipt, 'timeline'>;

/** What the operator did, as the trail names it. */
export interface Instructed {
  readonly event: AuditEventName;
  readonly operatorId: string;
}

const FIELD = 'alreadyGiven';

/** Tells the form how often this operator had given the instruction before. */
export function onceField(receipt: Work, instructed: Instructed): (sent: FormFields) => Content {
  return (sent) => {
    const value = sent.get(FIELD) ?? timesGiven(receipt, instructed);
    return h.input({ type: 'hidden', name: FIELD, value });
  };
}

/**
 * Sends an instruction, which the API takes without an `Idempotency-Key`, once for each form: a second
 * sending finds the first in the trail. Two at the same moment are told apart by the API's answer.
 */
export async function sendOnce<Body extends Work>(
  form: FormFields,
  instructed: Instructed,
  read: () => Promise<ApiAnswer<Body>>,
  send: () => Promise<ApiAnswer<Body>>,
): Promise<ApiAnswer<Body>> {
  const before = Number(form.get(FIELD) ?? Number.NaN);
  const given = async (): Promise<ApiAnswer<Body> | null> => {
    const answer = await read();
    return answer.ok && timesGiven(answer.body, instructed) > before ? answer : null;
  };
  const done = await given();
  if (done) return done;
  const answer = await send();
  return answer.ok ? answer : ((await given()) ?? answer);
}

function timesGiven({ timeline }: Work, { event, operatorId }: Instructed): number {
  return timeline.filter((one) => one.event === event && one.actor === operatorId).length;
}
