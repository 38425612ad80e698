import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Progress } from './progress.ts';

export const TEMPORAL_MODULE = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';

// A machine without this network must learn so in seconds: `go install` comes next.
const CONNECT_MS = 5_000;
const DOWNLOAD_MS = 180_000;

interface Release {
  readonly archiveUrl: string;
  readonly fileToExtract: string;
}

/**
 * Fetches the CLI from the address the Temporal SDKs fetch theirs from, into `cache`.
 * Answers its path. Throws when the address cannot be reached within five seconds.
 */
export async function downloadTemporal(cache: string, log: Progress): Promise<string> {
  const query = new URLSearchParams({
    arch: process.arch === 'x64' ? 'amd64' : process.arch,
    platform: process.platform,
    format: 'tar.gz',
    'sdk-name': 'sdk-typescript',
    'sdk-version': '1.24.0',
  });
  const info = await fetch(`https://temporal.download/cli/default?${query.toString()}`, {
    signal: AbortSignal.timeout(CONNECT_MS),
  }).catch((error: unknown) => {
    const cause = error instanceof Error ? error.cause : undefined;
    const code = (cause as { code?: unknown } | undefined)?.code;
    throw new Error(
      `cannot reach temporal.download${typeof code === 'string' ? ` (${code})` : ''}`,
    );
  });
  if (!info.ok) throw new Error(`temporal.download answered ${info.status}`);
  const release = (await info.json()) as Release;
  return intoCache(cache, async (draft) => {
    log(`Temporal: downloading ${release.archiveUrl}`);
    const archive = join(draft, 'archive.tar.gz');
    const reply = await fetch(release.archiveUrl, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
    if (!reply.ok || reply.body === null) throw new Error(`the download answered ${reply.status}`);
    await pipeline(Readable.fromWeb(reply.body), createWriteStream(archive));
    await runQuietly('tar', ['-xzf', archive, '-C', draft], {});
    return join(draft, release.fileToExtract);
  });
}

/** Builds the CLI with Go into `cache`: about three minutes at the first time. */
export async function buildTemporal(
  cache: string,
  go: string,
  env: Readonly<Record<string, string | undefined>>,
  log: Progress,
): Promise<string> {
  return intoCache(cache, async (draft) => {
    const began = Date.now();
    log(`Temporal: building it with \`go install ${TEMPORAL_MODULE}\`, about three minutes`);
    const timer = setInterval(() => {
      log(`Temporal: still building, ${Math.round((Date.now() - began) / 1000)} s`);
    }, 10_000);
    try {
      await runQuietly(go, ['install', TEMPORAL_MODULE], { ...env, GOBIN: draft, GOFLAGS: '' });
    } finally {
      clearInterval(timer);
    }
    return join(draft, 'temporal');
  });
}

/** Makes the program aside and moves it into place whole, so that two runs cannot collide. */
async function intoCache(cache: string, make: (draft: string) => Promise<string>): Promise<string> {
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'draft-'));
  try {
    const made = await make(draft);
    await chmod(made, 0o755);
    const path = join(cache, 'temporal');
    await rename(made, path);
    return path;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Runs a program to its end; what it wrote last is the reason when it fails. */
export async function runQuietly(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    // The build ends with us: a tool that goes on in the background would surprise.
    const end = (): void => {
      child.kill();
    };
    process.once('exit', end);
    let last = '';
    child.stderr.on('data', (chunk: Buffer) => {
      last = chunk.toString().trim().split('\n').at(-1) ?? last;
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      process.off('exit', end);
      if (code === 0) resolve();
      else reject(new Error(`${program} ${args[0] ?? ''} failed: ${last}`));
    });
  });
}
