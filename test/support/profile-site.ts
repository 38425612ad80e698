import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import postgres from 'postgres';
import { createHttpProfiles, type HttpProfiles } from '../../activities/relay/http-profiles.ts';
import { createApp } from '../../examples/profile-service/http.ts';
import { openProfiles, type Profiles } from '../../examples/profile-service/profiles.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

export const PROFILE_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
/** The service refuses every person with such an address. */
export const REJECTED_DOMAIN = 'rejected.example';

/** What goes wrong between Registrar and the profile service. */
export interface ProfileFault {
  readonly method: 'PUT' | 'DELETE';
  /** Requests that pass first. */
  readonly after?: number;
  /** How many requests it meets; all by default. */
  readonly times?: number;
  /** status: answered so, without an effect · lost: no reply, the effect comes before it, never, or late ·
   * slow: the answer takes that long */
  readonly fault:
    | { readonly kind: 'status'; readonly status: number; readonly body?: object }
    | { readonly kind: 'lost'; readonly effect: 'before' | 'never' | { readonly lateMs: number } }
    | { readonly kind: 'slow'; readonly ms: number };
}

export interface StoredProfile {
  readonly id: string;
  readonly registrationId: string;
  readonly userId: string;
  readonly email: string;
}

/** The example's profile service on a port and a database of its own, behind faults. */
export class ProfileSite {
  readonly client: HttpProfiles;
  readonly url: string;
  readonly requests: { readonly method: string; readonly registrationId: string }[] = [];
  readonly #database: TestDatabase;
  readonly #profiles: Profiles;
  readonly #sql: postgres.Sql;
  readonly #server: Server;
  readonly #late = new Set<Promise<void>>();
  #faults: (ProfileFault & { seen: number })[] = [];

  private constructor(database: TestDatabase, profiles: Profiles, server: Server) {
    this.#database = database;
    this.#profiles = profiles;
    this.#server = server;
    this.#sql = postgres(database.url, { max: 2, onnotice: () => undefined });
    const { port } = server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}/profiles`;
    this.client = createHttpProfiles({ url: this.url, secret: PROFILE_SECRET });
  }

  static async start(): Promise<ProfileSite> {
    const database = await createTestDatabase();
    const profiles = await openProfiles(database.url, [REJECTED_DOMAIN]);
    const listener = getRequestListener(createApp(profiles, PROFILE_SECRET).fetch);
    let site: ProfileSite | undefined;
    const server = createServer((request, response) => {
      void site?.handle(request, response, listener);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    site = new ProfileSite(database, profiles, server);
    return site;
  }

  setFaults(...faults: readonly ProfileFault[]): void {
    this.#faults = faults.map((fault) => ({ ...fault, seen: 0 }));
  }

  clear(): void {
    this.#faults = [];
    this.requests.length = 0;
  }

  async all(): Promise<StoredProfile[]> {
    return await this.#sql<StoredProfile[]>`SELECT id, registration_id AS "registrationId",
      user_id AS "userId", email FROM profiles ORDER BY created_at`;
  }

  async of(registrationId: string): Promise<StoredProfile | null> {
    return (await this.all()).find((profile) => profile.registrationId === registrationId) ?? null;
  }

  /** A profile of somebody whom Registrar does not know. */
  async addStranger(person: { readonly email: string; readonly username?: string }): Promise<void> {
    await this.#sql`INSERT INTO profiles (registration_id, user_id, email, username)
      VALUES (gen_random_uuid(), 'stranger', ${person.email}, ${person.username ?? null})`;
  }

  /** How often a registration was asked for. */
  asked(method: 'PUT' | 'DELETE', registrationId?: string): number {
    return this.requests.filter(
      (request) =>
        request.method === method &&
        (registrationId === undefined || request.registrationId === registrationId),
    ).length;
  }

  /** Effects that come after their reply was lost. */
  async untilLateEffects(): Promise<void> {
    await Promise.all(this.#late);
  }

  async stop(): Promise<void> {
    await this.untilLateEffects();
    await this.client.close();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    await this.#profiles.close();
    await this.#sql.end({ timeout: 1 });
    await this.#database.drop();
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    listener: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  ): Promise<void> {
    const method = request.method ?? '';
    this.requests.push({ method, registrationId: request.url?.split('/').at(-1) ?? '' });
    const fault = this.#take(method);
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(fault.body ?? {}));
      return;
    }
    if (fault?.kind === 'slow') await passes(fault.ms);
    if (fault?.kind !== 'lost') return await listener(request, response);
    const { effect } = fault;
    if (effect === 'before') await this.#replay(request);
    else if (effect === 'never') request.resume();
    else {
      const late = await this.#copy(request);
      const landing = passes(effect.lateMs).then(late);
      this.#late.add(landing);
      void landing.finally(() => this.#late.delete(landing));
    }
    request.socket.destroy();
  }

  /** The request takes effect; nobody gets its answer. */
  async #replay(request: IncomingMessage): Promise<void> {
    await (
      await this.#copy(request)
    )();
  }

  async #copy(request: IncomingMessage): Promise<() => Promise<void>> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const app = createApp(this.#profiles, PROFILE_SECRET);
    const method = request.method ?? '';
    const sent = new Request(`http://profiles${request.url ?? ''}`, {
      method,
      headers: Object.entries(request.headers).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]),
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    });
    return async () => {
      await app.fetch(sent);
    };
  }

  #take(method: string): ProfileFault['fault'] | undefined {
    const rules = this.#faults.filter((rule) => rule.method === method);
    for (const rule of rules) rule.seen += 1;
    return rules.find(({ seen, after = 0, times = Number.POSITIVE_INFINITY }) => {
      return seen > after && seen <= after + times;
    })?.fault;
  }
}

async function passes(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
