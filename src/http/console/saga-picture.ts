import { h, type Content, type Element } from './elements.ts';
import { shapeOf } from './icons.ts';
import {
  fullLabel,
  shownSaga,
  stateWords,
  type Saga,
  type ShownSaga,
  type ShownStep,
  type Stage,
} from './saga-steps.ts';

/** Lengths in pixels where a rem has 16 of them; the picture grows with the reader's type. */
interface Measures {
  readonly isDown: boolean;
  readonly box: number;
  readonly boxHeight: number;
  readonly gap: number;
}
const ACROSS: Measures = { isDown: false, box: 168, boxHeight: 48, gap: 28 };
const DOWN: Measures = { isDown: true, box: 284, boxHeight: 48, gap: 22 };
const MARGIN = 2;
const FRAME = 8;
const FRAME_TITLE = 24;
const ROW_GAP = 6;
/** Where the way back begins, below the way forward. */
const LANE = 34;
const MANY_ROLES = 5;
/** Wider pictures would shrink too far: they are drawn downwards. */
const WIDEST = 1130;
const LONG = 700;
/** About the width of a letter of each kind. */
const LETTER = { label: 7.4, role: 7.4, state: 6.2 };

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
interface PlacedStage extends Placed {
  readonly stage: Stage;
  readonly columns: number;
}

/**
 * The saga of a registration or of a change: a picture from left to right, on a phone from top to bottom,
 * and the same as a list for those who do not see it.
 */
export function sagaPicture(saga: Saga): Element {
  const shown = shownSaga(saga);
  const across = draw(shown, ACROSS);
  return h.figure(
    { class: 'saga' },
    across,
    draw(shown, DOWN),
    h.figcaption({}, summaryOf(shown)),
    h.ol(
      { class: 'visually-hidden', 'aria-label': 'Steps' },
      [...shown.forward.flatMap(({ steps }) => steps), ...shown.undo].map((step) =>
        h.li({}, `${fullLabel(step)}: ${stateWords(step)}`),
      ),
    ),
  );
}

/** `2 of 4 steps done. Failing: Assign role viewer.` */
export function summaryOf({ forward, undo }: ShownSaga): string {
  const steps = forward.flatMap((stage) => stage.steps);
  const done = steps.filter(({ status }) => status === 'done').length;
  const named = ['running', 'failing', 'failed', 'next', 'put back'].flatMap((state) => {
    const found = [...steps, ...undo].filter((step) => step.state === state).map(fullLabel);
    if (found.length === 0) return [];
    const more = found.length > 3 ? ` and ${found.length - 2} more` : '';
    return `${state[0]?.toUpperCase()}${state.slice(1)}: ${(more ? found.slice(0, 2) : found).join(', ')}${more}.`;
  });
  return [`${done} of ${steps.length} steps done.`, ...named].join(' ');
}

function draw({ forward, undo }: ShownSaga, measures: Measures): Element | null {
  const { isDown } = measures;
  const stages = placeStages(forward, measures);
  const end = Math.max(...stages.map((one) => (isDown ? one.y + one.height : one.x + one.width)));
  const lane = Math.max(...stages.map(({ y, height }) => y + height)) + LANE;
  const undone = placeUndo(undo, stages, lane, measures);
  const width = isDown ? measures.box + 2 * MARGIN : end + MARGIN;
  const all = [...stages, ...undone];
  const height = Math.max(...all.map((one) => one.y + one.height)) + MARGIN;
  if (width > WIDEST) return null;
  const kind = isDown ? 'down' : width > LONG ? 'across long' : 'across';
  return h.svg(
    {
      class: kind,
      viewBox: `0 0 ${width} ${height}`,
      width: `${width / 16}rem`,
      height: `${height / 16}rem`,
      'aria-hidden': 'true',
    },
    stages.slice(1).map((stage, place) => arrow(stages[place] ?? stage, stage, measures, false)),
    wayBack(stages, undone, measures),
    stages.map((stage) => drawStage(stage, measures)),
    undone.map((place, index) => drawBox(place, undo[index])),
  );
}

function placeStages(forward: readonly Stage[], measures: Measures): PlacedStage[] {
  const { isDown, box, boxHeight, gap } = measures;
  const sized = forward.map((stage) => {
    const columns = !isDown && stage.steps.length > MANY_ROLES ? 2 : 1;
    const rows = Math.ceil(stage.steps.length / columns);
    const inner = rows * (boxHeight + ROW_GAP) - ROW_GAP;
    const framed = stage.title !== null;
    const height = framed ? inner + FRAME_TITLE + FRAME : inner;
    const padding = framed && !isDown ? 2 * FRAME : 0;
    return { stage, columns, width: columns * (box + ROW_GAP) - ROW_GAP + padding, height };
  });
  const tallest = Math.max(...sized.map(({ height }) => height));
  let next = MARGIN;
  return sized.map((stage) => {
    const at = next;
    next += (isDown ? stage.height : stage.width) + gap;
    return isDown
      ? { ...stage, x: MARGIN, y: at }
      : { ...stage, x: at, y: MARGIN + (tallest - stage.height) / 2 };
  });
}

/** Each below what it undoes; downwards, one after the other. */
function placeUndo(
  undo: readonly ShownStep[],
  stages: readonly PlacedStage[],
  lane: number,
  { isDown, box, boxHeight, gap }: Measures,
): Placed[] {
  return undo.map(({ name }, index) => {
    const undone = stages.find(
      ({ stage }) => stage.steps[0]?.name === name.replace('delete', 'create'),
    );
    return {
      x: isDown ? MARGIN : (undone?.x ?? MARGIN),
      y: isDown ? lane + index * (boxHeight + gap) : lane,
      width: box,
      height: boxHeight,
    };
  });
}

function drawStage({ stage, columns, ...place }: PlacedStage, measures: Measures): Content {
  const { steps, title } = stage;
  if (title === null) return drawBox(place, steps[0]);
  const { box, boxHeight } = measures;
  const width = measures.isDown ? box - 2 * FRAME : box;
  return h.g(
    {},
    h.rect({ class: 'frame', rx: 10, ...place }),
    h.text({ class: 'title', x: place.x + FRAME + 2, y: place.y + 17 }, title),
    steps.map((step, index) =>
      drawBox(
        {
          x: place.x + FRAME + (index % columns) * (width + ROW_GAP),
          y: place.y + FRAME_TITLE + Math.floor(index / columns) * (boxHeight + ROW_GAP),
          width,
          height: boxHeight,
        },
        step,
      ),
    ),
  );
}

function drawBox({ x, y, width, height }: Placed, step: ShownStep | undefined): Content {
  if (step === undefined) return null;
  const room = width - 40;
  const kind = step.role === null ? 'label' : 'role';
  return h.g(
    {},
    h.title({}, `${fullLabel(step)}: ${stateWords(step)}`),
    h.rect({ class: `box tone-${step.tone}`, x, y, width, height, rx: 8 }),
    shapeOf(step.tone, { transform: `translate(${x + 10} ${y + height / 2 - 8})` }),
    h.text({ class: kind, x: x + 34, y: y + 20 }, shortened(step.label, room / LETTER[kind])),
    h.text(
      { class: 'state', x: x + 34, y: y + 37 },
      shortened(stateWords(step), room / LETTER.state),
    ),
  );
}

/** From one box to the next, with a tip. */
function arrow(from: Placed, to: Placed, { isDown }: Measures, isUndo: boolean): Element {
  const kind = isUndo ? 'flow undo' : 'flow';
  const middle = isDown ? from.x + 22 : from.y + from.height / 2;
  if (isDown) {
    const end = to.y - 1;
    return h.g(
      {},
      h.path({ class: kind, d: `M${middle} ${from.y + from.height}V${end - 5}` }),
      tip(middle, end, 'down'),
    );
  }
  if (to.x > from.x) {
    return h.g(
      {},
      h.path({ class: kind, d: `M${from.x + from.width} ${middle}H${to.x - 6}` }),
      tip(to.x - 1, middle, 'right'),
    );
  }
  const end = to.x + to.width + 1;
  return h.g(
    {},
    h.path({ class: kind, d: `M${from.x} ${middle}H${end + 5}` }),
    tip(end, middle, 'left'),
  );
}

/** From the last step that was begun to the first of the way back, and along it. */
function wayBack(
  stages: readonly PlacedStage[],
  undone: readonly Placed[],
  measures: Measures,
): Content {
  const isBegun = ({ stage }: PlacedStage) => stage.steps.some(({ tone }) => tone !== 'off');
  const last = measures.isDown ? stages.at(-1) : stages.findLast(isBegun);
  const first = undone[0];
  if (last === undefined || first === undefined) return null;
  const along = undone.slice(1).map((to, place) => arrow(undone[place] ?? to, to, measures, true));
  if (measures.isDown) return [arrow(last, first, measures, true), along];
  const x = last.x + last.width / 2;
  const y = first.y + first.height / 2;
  const end = first.x + first.width + 1;
  const down = `M${x} ${last.y + last.height}V${y - 8}q0 8-8 8H${end + 5}`;
  return [h.path({ class: 'flow undo', d: down }), tip(end, y, 'left'), along];
}

function tip(x: number, y: number, to: 'left' | 'right' | 'down'): Element {
  const d = {
    left: `M${x} ${y}l7-4v8z`,
    right: `M${x} ${y}l-7-4v8z`,
    down: `M${x} ${y}l-4-7h8z`,
  }[to];
  return h.path({ class: 'tip', d });
}

function shortened(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, Math.floor(letters) - 1)}…`;
}
