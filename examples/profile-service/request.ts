import { z } from 'zod';
import type { Person } from './profiles.ts';

const name = z.string().max(50).nullish();

/** What both forms say about a person; other fields are ignored, so that new ones may come. */
export const PersonFields = z.object({
  registration_id: z.uuid(),
  user_id: z.string().min(1),
  email: z.string().min(3),
  username: name,
  first_name: name,
  last_name: name,
});

export function personOf(fields: z.infer<typeof PersonFields>): Person {
  return {
    registrationId: fields.registration_id,
    userId: fields.user_id,
    email: fields.email,
    username: fields.username ?? null,
    firstName: fields.first_name ?? null,
    lastName: fields.last_name ?? null,
  };
}
