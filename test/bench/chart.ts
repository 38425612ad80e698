/** A bar of one or more parts, one after the other. */
export interface Bar {
  readonly label: string;
  readonly parts: readonly number[];
}

export interface Panel {
  readonly title: string;
  /** Names of the parts, for the legend; one without a name needs none. */
  readonly parts: readonly string[];
  readonly bars: readonly Bar[];
  readonly digits: number;
}

const WIDTH = 720;
const LABELS = 130;
const NUMBERS = 60;
const BAR = 18;
const GAP = 8;
const LEGEND = 140;
const COLOURS = ['#2563eb', '#0d9488', '#d97706', '#9333ea'];
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';

/** Horizontal bars as SVG. Each panel has a scale of its own, from 0 to its longest bar. */
export function chartOf(panels: readonly Panel[]): string {
  const drawn: string[] = [];
  let top = GAP;
  for (const panel of panels) {
    const { lines, height } = drawPanel(panel, top);
    drawn.push(...lines);
    top += height + 2 * GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" role="img" ${FONT}>`,
    `  <rect width="${WIDTH}" height="${top}" fill="#ffffff"/>`,
    ...drawn.map((line) => `  ${line}`),
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel(panel: Panel, top: number): { lines: string[]; height: number } {
  const totals = panel.bars.map(({ parts }) => total(parts));
  const longest = Math.max(...totals);
  const scale = longest > 0 ? (WIDTH - LABELS - NUMBERS) / longest : 0;
  const lines = [text(GAP, top + 12, panel.title, 'font-weight="bold" fill="#111827"')];
  let y = top + 12 + GAP;
  if (panel.parts.length > 1) {
    lines.push(...legend(panel.parts, y));
    y += BAR;
  }
  for (const { label, parts } of panel.bars) {
    lines.push(text(LABELS - GAP, y + 13, label, 'text-anchor="end" fill="#111827"'));
    let x = LABELS;
    for (const [index, part] of parts.entries()) {
      const width = part * scale;
      const colour = COLOURS[index % COLOURS.length];
      lines.push(
        `<rect x="${round(x)}" y="${y}" width="${round(width)}" height="${BAR}" fill="${colour}"/>`,
      );
      x += width;
    }
    lines.push(text(x + 4, y + 13, total(parts).toFixed(panel.digits), 'fill="#374151"'));
    y += BAR + GAP;
  }
  return { lines, height: y - top };
}

function legend(names: readonly string[], y: number): string[] {
  return names.flatMap((name, index) => {
    const x = LABELS + index * LEGEND;
    return [
      `<rect x="${round(x)}" y="${y}" width="10" height="10" fill="${COLOURS[index % COLOURS.length]}"/>`,
      text(x + 14, y + 9, name, 'fill="#374151"'),
    ];
  });
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${round(x)}" y="${y}" ${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function total(parts: readonly number[]): number {
  return parts.reduce((all, part) => all + part, 0);
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
