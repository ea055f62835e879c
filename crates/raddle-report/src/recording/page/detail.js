// Choosing a span, by pointer or by key, and saying what it is.

const detail = document.getElementById("detail");
const follows = document.querySelector("[data-do=follow]");

/** Chooses what a lane has at a time, and brings it into view. */
function choose(at, time, span = spanAt(at, time)) {
  chosen = { at, time, span };
  const top = at * ROW, room = size.height - AXIS - ROW;
  if (top < box.scrollTop) box.scrollTop = top;
  if (top > box.scrollTop + room) box.scrollTop = top - room;
  const width = view.to - view.from;
  const from = span < 0 ? time : lanes[at].from[span], to = span < 0 ? time : lanes[at].to[span];
  if (to < view.from || from > view.to) look((from + to) / 2 - width / 2, (from + to) / 2 + width / 2);
  say(chosen);
  redraw();
}

function letGo() {
  chosen = pointed = null;
  say(null);
  redraw();
}

/** Where the arrow of what is chosen leads: from a wait to who held the thing, and from there back. */
function otherEnd() {
  if (!chosen) return null;
  if (chosen.span >= 0 && hasArrow(chosen.at, chosen.span)) {
    return { at: whatOf(chosen.at, chosen.span)[HOLDER], time: lanes[chosen.at].to[chosen.span] };
  }
  const [woken] = wakesOf(chosen);
  return woken ? { at: woken[1], time: woken[0], span: woken[2] } : null;
}

function follow() {
  const other = otherEnd();
  if (other) choose(other.at, other.time, other.span);
}

/** The waits of others that ended while this span of their holder's lasted, or where nothing lies: close to that time. */
function wakesOf({ at, time, span }) {
  const near = perPixel() * 3;
  const [from, to] = span < 0 ? [time - near, time + near] : [lanes[at].from[span], lanes[at].to[span]];
  return wakes[at].filter(([when]) => when >= from && when <= to).sort((a, b) => Math.abs(a[0] - time) - Math.abs(b[0] - time)).slice(0, 4);
}

/** Says what something is: of what is chosen with links, of what is pointed at without. */
function say(mark) {
  const lines = mark ? describe(mark) : [element("span", { className: "quiet", textContent: hint() })];
  detail.replaceChildren(...lines.map((line) => element("div", {}, line)));
  const isChosen = mark && mark === chosen;
  follows.disabled = !(isChosen ? otherEnd() : chosen && otherEnd());
  box.dataset.chosen = chosen ? `${chosen.at}:${chosen.span}` : "";
}

const hint = () =>
  "Click a span to see who, what and where." +
  (data.resolution ? ` What is shorter than ${length(data.resolution)} is drawn together with its neighbours, each kind as high as its share of the time.` : "");

function describe(mark) {
  const { at, time, span } = mark;
  const name = element("b", { textContent: data.threads[at].name });
  if (span < 0) return [between(name, mark), ...backLinks(mark)];
  const one = lanes[at], what = whatOf(at, span), many = one.many[span];
  const when = `${length(one.to[span] - one.from[span])}, from ${moment(one.from[span])} to ${moment(one.to[span])}`;
  if (many) {
    const times = many.times.map(([kind, took]) => `${nameOfKind(kind)} ${length(took)}`).join(", ");
    const longest = `the longest, ${length(many.longest)}: ${words(what)}`;
    return [phrase(name, `: ${many.count} short ones within ${when}`), `${times}; ${longest}`, ...backLinks(mark)];
  }
  const isOpen = data.threads[at].waits && span === one.to.length - 1;
  const first = phrase(name, ` ${isOpen ? words(what).replace("waited", "waits") : words(what)}: ${when}${isOpen ? ", the end of the recording" : ""}`);
  return [first, ...held(mark, what), ...backLinks(mark)];
}

const phrase = (...parts) => element("span", {}, ...parts);

function between(name, { at, time }) {
  const one = lanes[at], life = data.threads[at].life, next = firstAfter(one, time);
  if (!life) return phrase(name, " never began: ", data.threads[at].state);
  if (time < life[0]) return phrase(name, ` had not begun; it did at ${moment(life[0])}`);
  if (time > life[1]) return phrase(name, " ", data.threads[at].state);
  const from = next ? one.to[next - 1] : life[0], to = next < one.to.length ? one.from[next] : life[1];
  return phrase(name, ` ran, or was in a call that raddle does not see: ${length(to - from)}, from ${moment(from)} to ${moment(to)}`);
}

function words(what) {
  const place = placeAndFunction(what[SITE]);
  const thing = thingOf(what) ? `waited for ${thingOf(what)}` : { python: "ran Python code", native: "ran native code", gil: "waited for the GIL",
    lock: "waited for a lock that is not raddle's", sleep: "slept", "i/o": "was in a call of the system's" }[nameOfKind(what[KIND])];
  return thing + (place ? ` at ${place}` : "") + (what[TIMED] ? ", with a time limit" : "");
}

/** Who had what was waited for, with a link to the other end. */
function held({ at, span }, what) {
  if (what[HOLDER] < 0 || nameOfKind(what[KIND]) === "join") return [];
  const place = placeAndFunction(what[BUSY]);
  const line = phrase("held by ", element("b", { textContent: nameOf(what[HOLDER]) }), place ? `, which was at ${place} when that began ` : " ");
  if (hasArrow(at, span)) line.append(link("→ follow the arrow", follow));
  else if (what[HOLDER] < lanes.length) line.append(link("→ its lane", () => choose(what[HOLDER], lanes[at].to[span])));
  return [line];
}

function backLinks(mark) {
  return wakesOf(mark).map(([when, at, span]) =>
    phrase(`what ${nameOf(at)} waited ${length(lanes[at].to[span] - lanes[at].from[span])} for came at ${moment(when)} `, link("→ follow the arrow", () => choose(at, when, span))),
  );
}

/** What lies at a point of the canvas: an arrow, else a span, or one that is too thin to hit and close by. */
function hit(x, y) {
  if (x < size.gutter || y < AXIS) return null;
  const arrow = drawn.find((one) => Math.abs(one.x - x) <= 3 && y >= one.top && y <= one.bottom);
  if (arrow) return { at: arrow.at, time: lanes[arrow.at].to[arrow.span], span: arrow.span, isArrow: true };
  const at = laneAt(y);
  if (at < 0 || at >= lanes.length) return null;
  const time = timeOf(x), one = lanes[at];
  let span = spanAt(at, time);
  if (span < 0) {
    const next = firstAfter(one, time), near = perPixel() * 3;
    if (next < one.to.length && one.from[next] - time < near) span = next;
    else if (next > 0 && time - one.to[next - 1] < near) span = next - 1;
  }
  return { at, time, span };
}

/** The span before or after what is chosen; of a lane in which nothing is chosen the first in view. */
function step(by) {
  const at = chosen ? chosen.at : Math.max(laneAt(AXIS), 0), one = lanes[at];
  if (!one || !one.to.length) return;
  const next = firstAfter(one, chosen ? chosen.time : view.from);
  const span = chosen && chosen.span >= 0 ? chosen.span + by : by > 0 ? next : next - 1;
  if (span >= 0 && span < one.to.length) choose(at, (one.from[span] + one.to[span]) / 2, span);
}

function changeLane(by) {
  const at = chosen ? chosen.at + by : Math.max(laneAt(AXIS), 0);
  if (at < 0 || at >= lanes.length) return;
  const time = chosen ? chosen.time : (view.from + view.to) / 2;
  choose(at, Math.min(Math.max(time, view.from), view.to));
}

const DOES = {
  in: () => zoom(0.5, chosen && chosen.time >= view.from && chosen.time <= view.to ? chosen.time : undefined),
  out: () => zoom(2),
  whole: () => look(0, end),
  left: () => pan(-0.15),
  right: () => pan(0.15),
  previous: () => step(-1),
  next: () => step(1),
  follow,
  up: () => changeLane(-1),
  down: () => changeLane(1),
  letGo,
};
const KEYS = { "+": "in", "=": "in", "-": "out", _: "out", Home: "whole", ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
  ",": "previous", ".": "next", f: "follow", Escape: "letGo" };

function listen() {
  let drag = null;
  const at = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, from: view.from, top: box.scrollTop, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
      drag.moved ||= Math.abs(x) + Math.abs(y) > 4;
      if (!drag.moved) return;
      const from = drag.from - x * perPixel();
      look(from, from + view.to - view.from);
      box.scrollTop = drag.top - y;
      return;
    }
    const before = pointed;
    pointed = hit(...at(event));
    if (before && pointed && before.at === pointed.at && before.span === pointed.span && pointed.span >= 0) return;
    canvas.style.cursor = pointed?.isArrow ? "pointer" : "crosshair";
    say(pointed && pointed.span >= 0 ? pointed : chosen);
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const found = drag && !drag.moved ? hit(...at(event)) : null;
    drag = null;
    if (!found) return;
    choose(found.at, found.time, found.span);
    if (found.isArrow) follow();
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    say(chosen);
    redraw();
  });
  box.addEventListener("wheel", (event) => {
    const [x] = at(event);
    const isWhole = view.from === 0 && view.to === end;
    // Over the names it scrolls, and what cannot become wider lets the page go on.
    if (x < size.gutter || (isWhole && event.deltaY > 0 && !event.ctrlKey)) return;
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX || event.deltaY) / 1000);
    else zoom(Math.exp(Math.max(-300, Math.min(300, event.deltaY)) / 400), timeOf(x));
  }, { passive: false });
  box.addEventListener("scroll", redraw);
  box.addEventListener("keydown", (event) => {
    const what = event.ctrlKey || event.altKey || event.metaKey ? undefined : KEYS[event.key];
    if (!what) return;
    event.preventDefault();
    DOES[what]();
  });
  document.getElementById("tools").addEventListener("click", (event) => DOES[event.target.dataset?.do]?.());
}
