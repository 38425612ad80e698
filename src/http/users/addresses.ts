import { z } from '@hono/zod-openapi';
import { emailHash } from '../../secrets/email-hash.ts';
import type { AppDeps } from '../app-deps.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import { Problem } from '../problems/problem-details.ts';
import { WRONG_EMAIL } from '../problems/problem-examples.ts';
import { email } from '../request/fields.ts';
import { parse } from '../request/validate.ts';
import { explainAddress } from './address-queries.ts';
import { AddressSchema } from './schemas.ts';

const path = z.object({ email });

export function mountAddresses(api: Api, deps: AppDeps): void {
  mount(
    api,
    deps,
    {
      method: 'get',
      path: '/addresses/{email}',
      operationId: 'getAddress',
      summary: 'Explain why an address is free or taken',
      description:
        'Answers what `POST /registrations` would, and changes nothing. Only for callers with the grant `*`.',
      tags: ['Users'],
      security: BEARER,
      request: { params: path },
      responses: {
        200: json(AddressSchema, 'The address.'),
        ...problems(
          { wrong: { ...WRONG_EMAIL, pointer: '#/path/email' } },
          'invalid_request',
          'forbidden',
        ),
      },
    },
    async (c) => {
      const { email: address } = parse(path, { email: c.req.param('email') }, ['path']);
      if (c.var.caller.grants !== '*') throw new Problem('forbidden');
      c.set('emailHash', emailHash(address));
      const explained = await explainAddress(deps, address);
      if (explained.registrationId !== null) c.set('registrationId', explained.registrationId);
      return c.json(explained, 200);
    },
  );
}
