import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import type { Profiles } from './profiles.ts';
import { PersonFields, personOf } from './request.ts';

const LARGEST_BODY = 64 * 1024;
const RegistrationId = z.uuid();

type Variables = { body: unknown };

/** The HTTP form: `PUT` and `DELETE /profiles/{registrationId}`, signed as Standard Webhooks says. */
export function createApp(profiles: Profiles, secret: string): Hono<{ Variables: Variables }> {
  const signed = new Webhook(secret);
  const app = new Hono<{ Variables: Variables }>();

  app.get('/health', async (c) => {
    await profiles.answers();
    return c.body(null, 204);
  });

  app.use(bodyLimit({ maxSize: LARGEST_BODY }));
  // Whoever cannot sign learns nothing and changes nothing.
  app.use(async (c, next) => {
    try {
      c.set('body', signed.verify(await c.req.text(), c.req.header()));
    } catch {
      return c.json({ error: 'the signature is missing or wrong' }, 401);
    }
    return await next();
  });

  app.put('/profiles/:registrationId', async (c) => {
    const registrationId = c.req.param('registrationId');
    const { success, data } = PersonFields.safeParse(c.get('body'));
    // The signature covers the body, not the address: both must name the same registration.
    const names = [data?.registration_id, c.req.header('idempotency-key')];
    if (!success || names.some((name) => name !== registrationId)) {
      return c.json({ error: 'the body is invalid or names another registration' }, 400);
    }
    const created = await profiles.create(personOf(data));
    switch (created.kind) {
      case 'created':
        return c.json({ id: created.id }, 201);
      case 'known':
        return c.json({ id: created.id }, 200);
      case 'taken':
        return c.json({ field: created.field }, 409);
      case 'rejected':
        return c.json({ error: 'this person may have no profile' }, 422);
      case 'deleted':
        return c.json({ error: 'the profile of this registration was deleted' }, 410);
    }
  });

  app.delete('/profiles/:registrationId', async (c) => {
    const { success, data } = RegistrationId.safeParse(c.req.param('registrationId'));
    // There is no body to name it: the signed `webhook-id` begins with it.
    if (!success || !c.req.header('webhook-id')?.startsWith(data)) {
      return c.json({ error: 'webhook-id names another registration' }, 400);
    }
    await profiles.delete(data);
    return c.body(null, 204);
  });

  app.onError((_error, c) => c.json({ error: 'the profile service cannot answer now' }, 503));
  return app;
}
