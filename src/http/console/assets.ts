import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Api } from '../openapi/mount.ts';

const TYPES = {
  'console.css': 'text/css; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;
export type AssetName = keyof typeof TYPES;

const NAMES = Object.keys(TYPES) as AssetName[];
const CONTENTS = new Map(
  NAMES.map((name) => [name, readFileSync(new URL(`./${name}`, import.meta.url))]),
);
/** Of all files, so that a page never mixes two versions. */
const HASH = [...CONTENTS.values()]
  .reduce((hash, content) => hash.update(content), createHash('sha256'))
  .digest('base64url')
  .slice(0, 16);

/** Where a file is served, for as long as it has this content. */
export function assetPath(name: AssetName): string {
  return `/console/assets/${HASH}/${name}`;
}

export function mountConsoleAssets(api: Api): void {
  for (const [name, content] of CONTENTS) {
    api.get(assetPath(name), (c) => {
      c.header('Cache-Control', 'public, max-age=31536000, immutable');
      c.header('Content-Type', TYPES[name]);
      return c.body(new Uint8Array(content));
    });
  }
}
