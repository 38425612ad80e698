import { expect, test } from 'vitest';
import { readSource, ROOT, sourcesOf } from './source.ts';
import { readdir } from 'node:fs/promises';

/** Words of this project's own that had a standard word beside them. CONTRIBUTING.md asks for the latter. */
const PRIVATE_NAMES = [
  /\bwish(?:es|ed)?\b/i,
  /\b(?:take|untaken|taken)Wish/i,
  /\bRunView\b/,
  /\bopenRun\b/,
  /\bnote[A-Z]\w*\(/,
  /\btally\b/i,
  /\binTurn\b/,
  /\bctx\.turn\b/,
  /\badmit(?:ted|s)?\b/i,
  /\baccept-?[wW]anted\b/,
  /\bacceptQuietly\b/,
  /\bsightings\b/i,
  /\bDeed\b/,
  /\bBell\b/,
  /\breceipt-version\b/,
  /\baudit_seals\b/,
];
const PRIVATE_TEXTS = [
  'A body may have 64 KiB.',
  'The request does not fit; `errors` says where.',
  'This address takes other methods.',
  'At most 50 here.',
  'A part that is needed to answer is away',
  'wish not delivered, left to the sweep',
  '--since is no time.',
  'Taken down; the receipt as it is now.',
  'Since the registration that is parked longest was parked',
  'Once a registration is complete, and never for one that is not, others are told.',
  'runs as nobody of power',
  'It does.',
];

const HERE = 'test/unit/architecture/names.test.ts';
const sources = await sourcesOf('src', 'activities', 'workflows', 'worker', 'cli', 'dev', 'test');
const documents = await Promise.all(
  (await readdir(`${ROOT}docs`, { recursive: true }))
    .filter((path) => /\.(?:md|json)$/.test(path))
    .map((path) => `docs/${path}`)
    .concat('README.md', 'CONTRIBUTING.md')
    .map(readSource),
);
const everything = [...sources, ...documents].filter(({ path }) => path !== HERE);

test.each(PRIVATE_NAMES)('no file uses the private word %s', (name) => {
  expect(everything.length).toBeGreaterThan(400);
  expect(everything.filter(({ text }) => name.test(text)).map(({ path }) => path)).toEqual([]);
});

test.each(PRIVATE_TEXTS)('no file has the text "%s"', (words) => {
  expect(everything.filter(({ text }) => text.includes(words)).map(({ path }) => path)).toEqual([]);
});
