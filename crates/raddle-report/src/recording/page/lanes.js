// The lanes: what is in view is drawn on a canvas that stays where it is while the box around it scrolls. A frame costs what can be
// seen, not what there is: each lane is entered by a binary search, and of what falls on one column of pixels the first is drawn.
// Spans are painted into an array of pixels that goes onto the canvas in one piece: ten thousand rectangles of a canvas
// take longer than a frame has.

const ROW = 22, AXIS = 22, BAR = 16;
const SHORTEST = 20; // microseconds that a view has at least
const ARROW = 12; // pixels that a wait has at least whose arrow is drawn
const ARROWS = 200;

const box = document.getElementById("lanes");
const spacer = document.getElementById("spacer");
const canvas = document.getElementById("canvas");
const pen = canvas.getContext("2d", { alpha: false });

const end = lanes.reduce((latest, { to }) => Math.max(latest, to[to.length - 1] ?? 0), Math.max(data.until, SHORTEST));
const view = { from: 0, to: end };
// What is chosen, and what lies under the pointer: a lane, a time in it, and the span at that time, or -1.
let chosen = null;
let pointed = null;
let colours = {};
let inks = {};
let size = { width: 0, height: 0, gutter: 0, ratio: 1 };
// What is right of the names and below the axis, in pixels of the screen.
let image = null;
let pixels = new Uint32Array(0);
let drawn = []; // arrows of the last frame: { x, top, bottom, at, span }
let isDue = false;
const onView = [];

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const kinds = [...data.kinds, "rest"].map((name) => of(name.replace("/", "")));
  colours = { kinds, ...Object.fromEntries(["ground", "raised", "line", "text", "quiet", "life", "mark", "accent", "bad"].map((name) => [name, of(name)])) };
  inks = { kinds: kinds.map(ink), ground: ink(colours.ground), raised: ink(colours.raised), line: ink(colours.line), life: ink(colours.life) };
}

/** A colour as a pixel of an image. */
function ink(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return new Uint32Array(Uint8ClampedArray.of(red, green, blue, 255).buffer)[0];
}

function measure() {
  const width = box.clientWidth;
  const all = AXIS + lanes.length * ROW + 4;
  spacer.style.height = `${all}px`;
  const height = Math.min(box.clientHeight || all, all);
  const ratio = window.devicePixelRatio || 1;
  size = { width, height, gutter: width < 600 ? 96 : 170, ratio };
  // Where on the canvas what lies, for who looks from outside.
  Object.assign(box.dataset, { gutter: size.gutter, axis: AXIS, row: ROW });
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  image = pen.createImageData(Math.max(Math.round((width - size.gutter) * ratio), 1), Math.max(Math.round((height - AXIS) * ratio), 1));
  pixels = new Uint32Array(image.data.buffer);
  redraw();
}

function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

const perPixel = () => (view.to - view.from) / Math.max(size.width - size.gutter, 1);
const xOf = (time) => size.gutter + (time - view.from) / perPixel();
const timeOf = (x) => view.from + (x - size.gutter) * perPixel();
const yOf = (at) => AXIS + at * ROW - box.scrollTop;
const laneAt = (y) => Math.floor((y - AXIS + box.scrollTop) / ROW);

/** Moves the view to where it can be, and draws it. */
function look(from, to) {
  const width = Math.min(Math.max(to - from, SHORTEST), end);
  view.from = Math.min(Math.max(from, 0), end - width);
  view.to = view.from + width;
  onView.forEach((tell) => tell());
  redraw();
}

function zoom(factor, around = (view.from + view.to) / 2) {
  look(around - (around - view.from) * factor, around + (view.to - around) * factor);
}

function pan(part) {
  const by = (view.to - view.from) * part;
  look(view.from + by, view.to + by);
}

function draw() {
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, size.width, size.height);
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  const first = Math.max(laneAt(AXIS), 0), last = Math.min(laneAt(size.height), lanes.length - 1);
  pixels.fill(inks.ground);
  if (chosen) paint(0, image.width, rowOf(chosen.at, 0), rowOf(chosen.at, ROW), inks.raised);
  ticks();
  const labels = [];
  for (let at = first; at <= last; at++) paintLane(at, labels);
  pen.putImageData(image, Math.round(size.gutter * size.ratio), Math.round(AXIS * size.ratio));
  pen.save();
  pen.beginPath();
  pen.rect(size.gutter, AXIS, size.width - size.gutter, size.height - AXIS);
  pen.clip();
  labels.forEach(label);
  drawArrows(first, last);
  [pointed, chosen].forEach((mark) => mark && outline(mark, mark === chosen));
  pen.restore();
  drawNames(first, last);
}

/** The row of pixels of something so far below the top of a lane. */
const rowOf = (at, below) => Math.round((yOf(at) - AXIS + below) * size.ratio);

/** A rectangle of pixels, as far as it lies in the image. */
function paint(left, right, top, bottom, colour) {
  const width = image.width;
  left = Math.max(left, 0);
  right = Math.min(right, width);
  bottom = Math.min(bottom, image.height);
  for (let row = Math.max(top, 0); row < bottom; row++) {
    const from = row * width + left, to = row * width + right;
    if (to - from > 16) pixels.fill(colour, from, to);
    else for (let at = from; at < to; at++) pixels[at] = colour;
  }
}

/** Lines at round times, about every 110 pixels. */
function ticks() {
  const least = perPixel() * 110;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((by) => by * power).find((by) => by >= least);
  const digits = Math.max(0, 6 - Math.floor(Math.log10(step) + 1e-9));
  pen.font = "12px system-ui, sans-serif";
  pen.fillStyle = colours.quiet;
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
    const x = Math.round(xOf(time)), column = Math.round((x - size.gutter) * size.ratio);
    paint(column, column + 1, 0, image.height, inks.line);
    pen.fillRect(x, AXIS - 5, 1, 5);
    if (x < size.width - 40) pen.fillText(`${(time / 1e6).toFixed(digits)} s`, x + 4, AXIS / 2);
  }
}

/** Paints what is in view of a lane, and adds what there is room to say in words. */
function paintLane(at, labels) {
  const one = lanes[at], life = data.threads[at].life, scale = size.ratio / perPixel();
  const top = rowOf(at, (ROW - BAR) / 2), bottom = rowOf(at, (ROW + BAR) / 2);
  const column = (time) => Math.round((time - view.from) * scale);
  if (life) paint(column(life[0]), Math.max(column(life[1]), column(life[0]) + 1), top, bottom, inks.life);
  let edge = -1;
  for (let span = firstAfter(one, view.from), count = one.to.length; span < count && one.from[span] < view.to; span++) {
    const right = column(one.to[span]);
    if (right < edge) continue; // its column of pixels has been painted
    const left = Math.max(column(one.from[span]), 0), end = Math.max(right, left + 1);
    const many = one.many[span];
    edge = left + 1;
    if (many) {
      paintMany(many, one.to[span] - one.from[span], left, end, top, bottom);
      continue;
    }
    const what = data.whats[one.what[span]];
    paint(left, end, top, bottom, inks.kinds[what[KIND]]);
    if (end - left > 60 * size.ratio) labels.push({ what, at, left: size.gutter + left / size.ratio, width: (Math.min(end, image.width) - left) / size.ratio });
  }
}

/** Several in one: from the bottom up, each kind as high as its share of the time. */
function paintMany(many, time, left, right, top, bottom) {
  const high = (bottom - top) / Math.max(time, 1);
  let below = 0;
  for (const [kind, took] of many.times) {
    const from = bottom - Math.round(below * high), to = bottom - Math.round((below += took) * high);
    if (from > to) paint(left, right, Math.max(to, top), from, inks.kinds[kind]);
  }
}

function label({ what, at, left, width }) {
  const y = yOf(at) + (ROW - BAR) / 2;
  const text = thingOf(what) || nameOfKind(what[KIND]);
  pen.save();
  pen.beginPath();
  pen.rect(left + 3, y, width - 6, BAR);
  pen.clip();
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = inkOn(colours.kinds[what[KIND]]);
  pen.fillText(text, left + 4, y + BAR / 2 + 0.5);
  pen.restore();
}

/** Black or white, whichever can be read on a colour. */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

function drawArrows(first, last) {
  drawn = [];
  const least = ARROW * perPixel();
  for (let at = 0; at < lanes.length && drawn.length < ARROWS; at++) {
    const one = lanes[at];
    for (let span = firstAfter(one, view.from); span < one.to.length && one.to[span] <= view.to; span++) {
      const isChosen = chosen && chosen.at === at && chosen.span === span;
      if (one.to[span] - one.from[span] < least && !isChosen) continue;
      if (!hasArrow(at, span) || drawn.length >= ARROWS) continue;
      const holder = whatOf(at, span)[HOLDER];
      if (Math.max(at, holder) < first || Math.min(at, holder) > last) continue;
      arrow(at, span, holder, isChosen);
    }
  }
}

/** From the lane of who held it to the end of the wait. */
function arrow(at, span, holder, isChosen) {
  const x = xOf(lanes[at].to[span]), down = at > holder;
  const start = yOf(holder) + ROW / 2, tip = yOf(at) + (down ? (ROW - BAR) / 2 : ROW - (ROW - BAR) / 2);
  pen.strokeStyle = pen.fillStyle = isChosen ? colours.accent : colours.mark;
  pen.globalAlpha = isChosen ? 1 : 0.5;
  pen.lineWidth = isChosen ? 2 : 1;
  pen.beginPath();
  pen.moveTo(x, start);
  pen.lineTo(x, tip);
  pen.stroke();
  pen.beginPath();
  pen.arc(x, start, 2, 0, 7);
  pen.moveTo(x, tip);
  pen.lineTo(x - 3.5, tip + (down ? -6 : 6));
  pen.lineTo(x + 3.5, tip + (down ? -6 : 6));
  pen.fill();
  pen.globalAlpha = 1;
  // It can be clicked where it leaves the bars of the two lanes, which are spans'.
  const edge = start + (down ? BAR / 2 : -BAR / 2);
  drawn.push({ x, top: Math.min(edge, tip), bottom: Math.max(edge, tip), at, span });
}

function outline({ at, span, time }, isChosen) {
  const y = yOf(at) + (ROW - BAR) / 2;
  const [from, to] = span < 0 ? [time, time] : [lanes[at].from[span], lanes[at].to[span]];
  const left = Math.max(xOf(from), size.gutter - 4), right = Math.min(xOf(to), size.width + 4);
  if (right < size.gutter || left > size.width) return;
  pen.strokeStyle = isChosen ? colours.accent : colours.mark;
  pen.lineWidth = isChosen ? 2.5 : 1.5;
  pen.strokeRect(left - 1, y - 1.5, Math.max(right - left, 1) + 2, BAR + 3);
}

function drawNames(first, last) {
  pen.fillStyle = colours.line;
  pen.fillRect(size.gutter - 1, 0, 1, size.height);
  pen.save();
  pen.beginPath();
  pen.rect(0, AXIS, size.gutter - 6, size.height);
  pen.clip();
  for (let at = first; at <= last; at++) {
    const thread = data.threads[at];
    pen.fillStyle = thread.died ? colours.bad : colours.text;
    pen.font = `${chosen && chosen.at === at ? "600 " : ""}12px system-ui, sans-serif`;
    pen.fillText(thread.name.replace(/^'(.*)'/, "$1") + (thread.died ? " †" : ""), 8, yOf(at) + ROW / 2);
  }
  pen.restore();
}
