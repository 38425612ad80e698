import type { z } from '@hono/zod-openapi';
import type { FailureCode } from '../../domain/failure.ts';

/** What the operations of the session door have in common in the document. */

export const TAGS = { tags: ['Door: session'] };
export const EVERYWHERE: readonly FailureCode[] = ['unavailable', 'internal'];
export const WITH_BODY: readonly FailureCode[] = ['payload_too_large', ...EVERYWHERE];
export const PUBLIC: readonly FailureCode[] = ['rate_limited', ...WITH_BODY];

export const bodyOf = (schema: z.ZodType) => ({
  body: { required: true, content: { 'application/json': { schema } } },
});
