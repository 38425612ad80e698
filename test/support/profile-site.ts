import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import postgres from 'postgres';
import { createHttpProfiles, type HttpProfiles } from '../../activities/relay/http-profiles.ts';
import { createApp } from '../../examples/profile-service/http.ts';
import { openProfiles, type Profiles } from '../../examples/profile-service/profiles.ts';
import type { TestDatabase } from './database.ts';

export const PROFILE_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
/** The service refuses every person with such an address. */
export const REJECTED_DOMAIN = 'rejected.example';

/** What goes wrong between Registrar and the profile service. */
export interface ProfileFault {
  readonly method: 'PUT' | 'DELETE';
  /** Whose requests it meets; everybody's by default. */
  readonly email?: string;
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
  readonly #database: Pick<TestDatabase, 'url' | 'drop'>;
  readonly #profiles: Profiles;
  readonly #sql: postgres.Sql;
  readonly #server: Server;
  readonly #late = new Set<Promise<void>>();
  /** Addresses by registration: a deletion does not name any. */
  readonly #emails = new Map<string, string>();
  #faults: (ProfileFault & { seen: number })[] = [];
  #awayUntil = 0;

  private constructor(
    database: Pick<TestDatabase, 'url' | 'drop'>,
    profiles: Profiles,
    server: Server,
  ) {
    this.#database = database;
    this.#profiles = profiles;
    this.#server = server;
    this.#sql = postgres(database.url, { max: 2, onnotice: () => undefined });
    const { port } = server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}/profiles`;
    this.client = createHttpProfiles({ url: this.url, secret: PROFILE_SECRET });
  }

  /** @param database empty; it is dropped in the end */
  static async start(database: Pick<TestDatabase, 'url' | 'drop'>): Promise<ProfileSite> {
    const profiles = await openProfiles(database.url, [REJECTED_DOMAIN]);
    let site: ProfileSite | undefined;
    const server = createServer((request, response) => {
      void site?.handle(request, response).catch(() => request.socket.destroy());
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

  /** For so long every connection ends without a reply, and nothing takes effect. */
  awayFor(ms: number): void {
    this.#awayUntil = performance.now() + ms;
  }

  clear(): void {
    this.#faults = [];
    this.#awayUntil = 0;
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

  /** Whether effects are still to come whose reply was lost. */
  hasLateEffects(): boolean {
    return this.#late.size > 0;
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

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? '';
    const registrationId = request.url?.split('/').at(-1) ?? '';
    this.requests.push({ method, registrationId });
    const sent = await read(request);
    this.#recordEmail(registrationId, sent.text);
    if (performance.now() < this.#awayUntil) return void request.socket.destroy();
    const fault = this.#take(method, this.#emails.get(registrationId));
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(fault.body ?? {}));
      return;
    }
    const app = createApp(this.#profiles, PROFILE_SECRET);
    if (fault?.kind === 'slow') await passes(fault.ms);
    if (fault?.kind !== 'lost') {
      const answer = await app.fetch(sent.request);
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(await answer.text());
      return;
    }
    const { effect } = fault;
    if (effect === 'before') await app.fetch(sent.request);
    else if (effect !== 'never') {
      const landing = passes(effect.lateMs).then(async () => void (await app.fetch(sent.request)));
      this.#late.add(landing);
      void landing.finally(() => this.#late.delete(landing));
    }
    request.socket.destroy();
  }

  #recordEmail(registrationId: string, text: string): void {
    if (text === '') return;
    const { email } = JSON.parse(text) as { email?: unknown };
    if (typeof email === 'string') this.#emails.set(registrationId, email);
  }

  #take(method: string, whose: string | undefined): ProfileFault['fault'] | undefined {
    const rules = this.#faults.filter(
      (rule) => rule.method === method && (rule.email === undefined || rule.email === whose),
    );
    for (const rule of rules) rule.seen += 1;
    return rules.find(({ seen, after = 0, times = Number.POSITIVE_INFINITY }) => {
      return seen > after && seen <= after + times;
    })?.fault;
  }
}

async function read(request: IncomingMessage): Promise<{ request: Request; text: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const sent = new Request(`http://profiles${request.url ?? ''}`, {
    method: request.method ?? '',
    headers: Object.entries(request.headers).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]),
    ...(text !== '' && { body: text }),
  });
  return { request: sent, text };
}

async function passes(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
