// The recording, as html.rs wrote it. Times are microseconds since it began; a thread, a place, a thing is called by its number, and
// -1 is none.
//
// data.spans has a list of numbers for each thread. Of each span: the time since the end of the one before it, its length,
// and what it is, a number in data.whats. Where a negative number stands for the third, several lie in it, as many as that
// says; then follow what the longest of them is, how long that was, how many kinds of thing there are, and for each
// kind its number and how long it took.

const data = JSON.parse(document.getElementById("recording").textContent);
const KIND = 0, SITE = 1, THING = 2, HOLDER = 3, BUSY = 4, TIMED = 5;
const REST = data.kinds.length;
const LOCK = data.kinds.indexOf("lock");

/** One thread's spans, in columns: what a frame reads lies close together. */
function lane(numbers) {
  const from = [], to = [], what = [], many = [];
  for (let at = 0, time = 0; at < numbers.length; ) {
    from.push((time += numbers[at++]));
    to.push((time += numbers[at++]));
    const third = numbers[at++];
    if (third >= 0) {
      what.push(third);
      many.push(null);
      continue;
    }
    what.push(numbers[at++]);
    const several = { count: -third, longest: numbers[at++], times: [] };
    for (let kinds = numbers[at++]; kinds > 0; kinds--) several.times.push([numbers[at++], numbers[at++]]);
    several.times.sort((a, b) => b[1] - a[1]);
    many.push(several);
  }
  return { from: Float64Array.from(from), to: Float64Array.from(to), what: Int32Array.from(what), many };
}

const lanes = data.spans.map(lane);
const whatOf = (at, span) => data.whats[lanes[at].what[span]];

/** The first span of a lane that ends after a time. */
function firstAfter({ to }, time) {
  let low = 0, high = to.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (to[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The span of a lane at a time, or -1. */
function spanAt(at, time) {
  const span = firstAfter(lanes[at], time);
  return span < lanes[at].to.length && lanes[at].from[span] <= time ? span : -1;
}

/** Whether an arrow leads to the end of a span: it was a wait for something that another thread had, and it ended. */
function hasArrow(at, span) {
  if (lanes[at].many[span]) return false;
  const what = whatOf(at, span);
  const isOpen = data.threads[at].waits && span === lanes[at].to.length - 1;
  return what[KIND] === LOCK && what[HOLDER] >= 0 && what[HOLDER] < lanes.length && what[HOLDER] !== at && !what[TIMED] && !isOpen;
}

/** For each thread, which waits of others ended in something that it had held: [time, lane, span], in order. */
const wakes = lanes.map(() => []);
lanes.forEach((one, at) => {
  for (let span = 0; span < one.to.length; span++) {
    if (hasArrow(at, span)) wakes[whatOf(at, span)[HOLDER]].push([one.to[span], at, span]);
  }
});
wakes.forEach((list) => list.sort((a, b) => a[0] - b[0]));

const nameOf = (who) => data.threads[who]?.name ?? data.strangers[who - data.threads.length] ?? "nobody";
const thingOf = (what) => data.things[what[THING]] ?? "";
const nameOfKind = (kind) => data.kinds[kind] ?? "not seen";

function placeOf(site) {
  const place = data.sites[site];
  return place ? `${place[0]}:${place[1]}` : "";
}

function placeAndFunction(site) {
  const place = data.sites[site];
  return place ? placeOf(site) + (place[2] ? ` in ${place[2]}` : "") : "";
}

/** A time or a length, with three digits that count. */
function length(micros) {
  if (micros >= 1e8) return `${(micros / 1e6).toFixed(1)} s`;
  if (micros >= 1e6) return `${(micros / 1e6).toFixed(3)} s`;
  if (micros >= 1e3) return `${(micros / 1e3).toFixed(micros < 1e5 ? 2 : 1)} ms`;
  return `${micros} µs`;
}

/** A point in time, as it stands in the text report. */
const moment = (micros) => `${(micros / 1e6).toFixed(3)} s`;

/** An element. Everything that it says is text: nothing out of the recording is markup. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** The same of a picture; `name in made` says nothing there. */
function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const link = (text, onclick, title = "") => element("button", { className: "link", type: "button", textContent: text, onclick, title });
