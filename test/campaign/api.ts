import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { PlannedChange } from './change-plan.ts';
import type { Through } from './actions.ts';
import type { Site } from './site.ts';

/** A process that is being started again, or a ledger whose connections were cut. */
const AWAY_MS = 150_000;

const Receipt = z.object({ id: z.string(), status: z.string(), userId: z.string().nullable() });
const Page = z.object({ items: z.array(Receipt), nextCursor: z.string().nullable() });
export type Receipt = z.infer<typeof Receipt>;

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const ROUTES: Readonly<Record<PlannedChange['kind'], readonly [method: string, path: string]>> = {
  roles: ['PUT', '/roles'],
  disable: ['POST', '/disable'],
  enable: ['POST', '/enable'],
  sign_out: ['POST', '/sign-out'],
  delete: ['DELETE', ''],
};

/** What customers and operators send; repeated, as they would, while the API is away. */
export class Api {
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  async send(
    through: Through,
    method: string,
    path: string,
    { body, key }: { readonly body?: unknown; readonly key?: string } = {},
  ): Promise<Answer> {
    const deadline = Date.now() + AWAY_MS;
    for (;;) {
      const answer = await fetch(`${this.#site.processes.urlOf(through)}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#site.bearer}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(key !== undefined && { 'idempotency-key': key }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }).then(
        async (reply) => ({ status: reply.status, body: await reply.json() }),
        (error: unknown) => ({ status: 503, body: String(error) }),
      );
      if (answer.status < 500) return answer;
      if (Date.now() > deadline) {
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      await sleep(200);
    }
  }

  /** @returns the registration's id; null when the address is taken */
  async register(through: Through, body: object, key: string): Promise<string | null> {
    const { status, body: answer } = await this.send(through, 'POST', '/registrations', {
      body,
      key,
    });
    if (status === 409) return null;
    if (status >= 400) throw new Error(`not accepted: ${status} ${JSON.stringify(answer)}`);
    return Receipt.parse(answer).id;
  }

  async receipt(id: string): Promise<Receipt> {
    const { body } = await this.send('api', 'GET', `/registrations/${id}`);
    return Receipt.parse(body);
  }

  /** @returns the change's id; null when the person is not there any more */
  async change(
    { kind, roles, through }: PlannedChange,
    userId: string,
    key: string,
  ): Promise<string | null> {
    const [method, path] = ROUTES[kind];
    const { status, body } = await this.send(through, method, `/users/${userId}${path}`, {
      key,
      ...(kind === 'roles' && { body: { roles } }),
    });
    if (status === 404) return null;
    if (status !== 202) throw new Error(`${kind} of ${userId}: ${status} ${JSON.stringify(body)}`);
    return Receipt.parse(body).id;
  }

  /** Something that an operator wants of a change; that it comes too late is fine. */
  async wantChange(through: Through, id: string, what: 'retry' | 'cancel'): Promise<boolean> {
    const { status, body } = await this.send(through, 'POST', `/changes/${id}/${what}`);
    if (status !== 202 && status !== 409) {
      throw new Error(`${what} of change ${id}: ${status} ${JSON.stringify(body)}`);
    }
    return status === 202;
  }

  /** Something that an operator wants of a registration; that it comes too late is fine. */
  async want(
    through: Through,
    id: string,
    what: 'retry' | 'cancel' | { readonly roles: readonly string[] },
  ): Promise<boolean> {
    const { status, body } =
      typeof what === 'string'
        ? await this.send(through, 'POST', `/registrations/${id}/${what}`)
        : await this.send(through, 'PUT', `/registrations/${id}/roles`, { body: what });
    if (status !== 202 && status !== 409) {
      throw new Error(`${JSON.stringify(what)} of ${id}: ${status} ${JSON.stringify(body)}`);
    }
    return status === 202;
  }

  async inStatus(...statuses: readonly string[]): Promise<Receipt[]> {
    return await this.#list('registrations', statuses);
  }

  async changesInStatus(...statuses: readonly string[]): Promise<Receipt[]> {
    return await this.#list('changes', statuses);
  }

  async #list(of: 'registrations' | 'changes', statuses: readonly string[]): Promise<Receipt[]> {
    const query = statuses.map((status) => `status=${status}`).join('&');
    const { body } = await this.send('api', 'GET', `/${of}?limit=200&${query}`);
    return Page.parse(body).items;
  }
}
