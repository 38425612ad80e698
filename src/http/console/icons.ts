import { h, type Content, type Element } from './elements.ts';

/** What a badge or a step says at a glance. Each has a shape of its own: a colour alone says nothing. */
export type Tone =
  | 'good'
  | 'busy'
  | 'waiting'
  | 'next'
  | 'attention'
  | 'bad'
  | 'urgent'
  | 'undone'
  | 'off';

const OCTAGON = 'M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z';
const TRIANGLE = 'M8 1.8 15 14H1z';

/** In a square of 16 by 16. */
const SHAPES: Readonly<Record<Tone, () => Content>> = {
  good: () => [ring(), path('m5 8.2 2.1 2.1L11 6')],
  busy: () => [path('M8 1.5a6.5 6.5 0 1 1-6.5 6.5'), dot(8, 8)],
  waiting: () => [ring(), path('M8 4.6V8l2.3 1.6')],
  next: () => [ring(), path('M5 8h5.6M8.4 5.6 10.8 8l-2.4 2.4')],
  attention: () => [path(TRIANGLE), path('M8 6.2v3.6'), dot(8, 11.9)],
  bad: () => [path(OCTAGON), path('m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4')],
  urgent: () => [path(OCTAGON), path('M8 4.6v4.2'), dot(8, 11.2)],
  undone: () => [path('M5.6 2.6 2.4 5.8l3.2 3.2M2.8 5.8h6.4a3.9 3.9 0 0 1 0 7.8H6')],
  off: () => [ring(), path('M5 8h6')],
};

/** The shape of a tone, to stand in any SVG. */
export function shapeOf(tone: Tone, attributes: Readonly<Record<string, string>> = {}): Element {
  return h.g({ class: `shape tone-${tone}`, ...attributes }, SHAPES[tone]());
}

/** Hidden from screen readers: a word stands beside it. */
export function icon(tone: Tone): Element {
  return h.svg(
    { class: 'icon', viewBox: '0 0 16 16', width: '16', height: '16', 'aria-hidden': 'true' },
    shapeOf(tone),
  );
}

const path = (d: string) => h.path({ d });
const ring = () => h.circle({ cx: 8, cy: 8, r: 6.5 });
const dot = (cx: number, cy: number) => h.circle({ class: 'dot', cx, cy, r: 1 });
