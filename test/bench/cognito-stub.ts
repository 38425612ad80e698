// A stub of Cognito as a process of its own: it answers what a registration needs, and keeps nothing.
// The sandbox would take more CPU than all that is measured.
import { randomUUID } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { createSigner } from '../../dev/cognito/tokens.ts';

const [port = '', home = ''] = process.argv.slice(2);
const { jwks } = await createSigner(home);

type Answer = (body: Readonly<Record<string, unknown>>) => object;

const ANSWERS: Readonly<Record<string, Answer>> = {
  ListGroups: () => ({ Groups: [{ GroupName: 'viewer' }] }),
  AdminCreateUser: ({ UserAttributes }) => {
    const sub = randomUUID();
    const now = Date.now() / 1000;
    return {
      User: {
        Username: sub,
        Attributes: [{ Name: 'sub', Value: sub }, ...(UserAttributes as object[])],
        Enabled: true,
        UserStatus: 'FORCE_CHANGE_PASSWORD',
        UserCreateDate: now,
        UserLastModifiedDate: now,
      },
    };
  },
  AdminAddUserToGroup: () => ({}),
  AdminDeleteUser: () => ({}),
};

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'GET') return send(response, 200, jwks);
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    const answer = ANSWERS[operation];
    // Not known here, for example the daily comparison's ListUsers: refused, and so without effect.
    if (!answer)
      return send(response, 400, { __type: 'NotAuthorizedException', message: operation });
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    send(response, 200, answer(body));
  });
});
// Longer than any pause of a client that keeps its connection.
server.keepAliveTimeout = 600_000;
server.listen(Number(port), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
