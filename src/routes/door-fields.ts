import { z } from '@hono/zod-openapi';

/** Fields of the doors that answer as FastAPI does. An issue's `params` are what pydantic calls it. */

/** Text as it was sent: a password, a token. Lengths are in code points, as the document counts. */
export function sent(max: number) {
  return z
    .string()
    .superRefine((value, context) => refuseLength(context, value, 0, max))
    .openapi({ maxLength: max });
}

type Context = Pick<z.RefinementCtx, 'addIssue'>;
type IssueContext = Readonly<Record<string, string | number>>;

function refuse(context: Context, type: string, message: string, ctx: IssueContext): void {
  context.addIssue({ code: 'custom', message, params: { type, ctx } });
}

function refuseLength(context: Context, text: string, min: number, max: number): void {
  const { length } = Array.from(text);
  const characters = (count: number) => `${count} character${count === 1 ? '' : 's'}`;
  if (length < min) {
    const message = `String should have at least ${characters(min)}`;
    refuse(context, 'string_too_short', message, { min_length: min });
  } else if (length > max) {
    const message = `String should have at most ${characters(max)}`;
    refuse(context, 'string_too_long', message, { max_length: max });
  }
}
