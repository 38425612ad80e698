import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createHostCheck } from '../../src/config/local-hosts.ts';
import { PortTaken } from '../../src/config/port-taken.ts';
import { makeFolder } from '../stack/files.ts';
import type { RunningPart } from '../stack/postgres.ts';
import { answerControl } from './control.ts';
import type { Body } from './model.ts';
import type { Rule } from './fault-plan.ts';
import { createSandbox, CUT, type Sandbox } from './sandbox.ts';
import { ServiceError } from './service-error.ts';
import { createSigner, type Signer } from './tokens.ts';

export interface CognitoOptions {
  /** Absolute folder of the embedded state. */
  readonly home: string;
  readonly port: number;
  /** Address to listen on; by default nobody but this machine gets in. */
  readonly host?: string;
  /** What others reach it by, and so what its tokens name; by default its own address. */
  readonly endpoint?: string;
  readonly rules?: readonly Rule[];
}

const LARGEST_BODY = 1_048_576;

/** Starts the sandbox in this process. `url` is its endpoint. */
export async function startCognito(options: CognitoOptions): Promise<RunningPart> {
  const home = join(options.home, 'cognito');
  const pools = join(home, 'pools');
  await makeFolder(home, 0o700);
  await makeFolder(pools, 0o700);
  const host = options.host ?? '127.0.0.1';
  const endpoint = options.endpoint ?? `http://127.0.0.1:${options.port}`;
  const signer = await createSigner(home);
  const sandbox = await createSandbox({
    home,
    directory: pools,
    endpoint,
    signer,
    rules: options.rules ?? [],
  });
  const isOurs = createHostCheck(host, [new URL(endpoint).hostname]);
  const server = createServer((request, response) => {
    // A web page whose name was made to resolve to this machine could sign itself any token here.
    const answered = isOurs(hostnameOf(request))
      ? answer(request, response, sandbox, signer, endpoint)
      : Promise.reject(foreignHost());
    answered.catch((error: unknown) => refuse(response, error));
  });
  // Longer than any pause of a client that keeps its connection: a reset here would look
  // like a lost reply.
  server.keepAliveTimeout = 600_000;
  await listen(server, options.port, host);
  return {
    url: endpoint,
    kill: () => server.closeAllConnections(),
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await sandbox.close();
    },
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        taken ? new PortTaken(`Cognito sandbox: port ${port} is taken by another process`) : error,
      );
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function hostnameOf(request: IncomingMessage): string {
  return URL.parse(`http://${request.headers.host ?? ''}`)?.hostname ?? '';
}

function foreignHost(): ServiceError {
  return new ServiceError(
    'ForbiddenException',
    'The sandbox answers only to loopback names, its HOST and the host of its endpoint.',
    403,
  );
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  sandbox: Sandbox,
  signer: Signer,
  endpoint: string,
): Promise<void> {
  const url = new URL(request.url ?? '/', endpoint);
  const body = await readBody(request);
  const target = request.headers['x-amz-target'];
  if (request.method !== 'POST' || typeof target !== 'string') {
    const pool = /^\/([\w-]+)\/\.well-known\/jwks\.json$/.exec(url.pathname)?.[1];
    if (request.method === 'GET' && pool !== undefined) {
      await sandbox.engine.pool(pool);
      return send(response, 200, signer.jwks, 'application/json');
    }
    const { method = 'GET', headers } = request;
    const wantsPage = headers.accept?.includes('text/html') ?? false;
    const control = answerControl({ method, url, body, wantsPage }, sandbox, signer, endpoint);
    if ('html' in control) {
      response.writeHead(200, control.headers).end(control.html);
      return;
    }
    await sandbox.mailbox.flushed();
    return send(response, control.status, control.json, 'application/json');
  }
  const result = await sandbox.handle(target.split('.')[1] ?? '', body);
  if (result === CUT) {
    request.socket.destroy();
    return;
  }
  send(response, 200, result, 'application/x-amz-json-1.1');
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY) throw new ServiceError('RequestEntityTooLarge', 'too large', 413);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as Body;
  } catch {
    throw new ServiceError('SerializationException', 'not JSON');
  }
}

function send(response: ServerResponse, status: number, body: unknown, type: string): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': type, 'x-amzn-requestid': randomUUID() });
  response.end(JSON.stringify(body, inSeconds));
}

// Times are seconds since the epoch on the wire; toJSON has already made them text here.
function inSeconds(this: unknown, key: string, value: unknown): unknown {
  const raw = (this as { [key: string]: unknown })[key];
  return raw instanceof Date ? raw.getTime() / 1000 : value;
}

function refuse(response: ServerResponse, error: unknown): void {
  const known =
    error instanceof ServiceError
      ? error
      : new ServiceError('InternalErrorException', String(error), 500);
  const body = { __type: known.type, message: known.message };
  response.setHeader('x-amzn-errortype', known.type);
  send(response, known.status, body, 'application/x-amz-json-1.1');
}
