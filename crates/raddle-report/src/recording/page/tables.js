// What is said in words and tables: verdicts, what was waited for, threads.

const SHOWN = 200; // rows that a table begins with
const MATRIX = 12; // rows and columns of a matrix

function table(heads, className = "") {
  const row = element("tr", {}, ...heads.map(([text, kind]) => element("th", { scope: "col", className: kind ?? "", textContent: text })));
  const body = element("tbody");
  return { body, whole: element("div", { className: "scroll" }, element("table", { className }, element("thead", {}, row), body)) };
}

const cell = (content, className = "") => element("td", { className }, content);

/** Adds rows, and a button for the rest of very many. */
function fillRows(body, whole, items, row) {
  const add = (from, to) => items.slice(from, to).forEach((item, at) => body.append(...[row(item, from + at)].flat()));
  add(0, SHOWN);
  if (items.length <= SHOWN) return;
  const more = element("button", { type: "button", textContent: `show all ${items.length}` });
  more.onclick = () => {
    add(SHOWN);
    more.remove();
  };
  whole.append(more);
}

function showVerdicts() {
  const place = document.getElementById("verdicts");
  if (!data.verdicts.length) {
    place.append(element("p", { className: "none", textContent: "Nothing that is wrong. What follows is where the time went." }));
    return;
  }
  const shown = data.verdicts.map(([at, , text]) => {
    const [title, ...rest] = text.split("\n");
    const told = element("pre", {}, element("span", { className: "title", textContent: title }), rest.length ? `\n${rest.join("\n")}` : "");
    const to = () => {
      look(at - end / 20, at + end / 20);
      box.scrollIntoView({ block: "center" });
      box.focus({ preventScroll: true });
    };
    const when = at < 0 ? element("span", { textContent: "over all" }) : link(`at ${moment(at)}`, to, "Show this time in the lanes");
    return element("article", { className: "verdict" }, when, told);
  });
  place.append(...shown.slice(0, 10));
  if (shown.length > 10) {
    place.append(element("details", {}, element("summary", { textContent: `and ${shown.length - 10} more` }), ...shown.slice(10)));
  }
}

function showLocks() {
  const place = document.getElementById("locks");
  if (!data.locks.length) {
    place.append(element("p", { textContent: "No thread waited for anything that raddle keeps." }));
    return;
  }
  const heads = [["what"], ["at", "wide"], ["waits", "n"], ["in all", "n"], ["longest", "n"], ["how long they took"], ["held by"]];
  const { body, whole } = table(heads);
  fillRows(body, whole, data.locks, lockRows);
  place.append(whole);
  const more = data.lockCount - data.locks.length;
  if (more > 0) place.append(element("p", { className: "quiet", textContent: `and ${more} more, which were waited for less` }));
}

function lockRows(lock) {
  const name = element("span", {}, swatch(lock.kind), lock.name);
  const made = lock.made === null ? "" : `made at ${placeOf(lock.made)}`;
  const sites = [...new Set(lock.sites.map(([site]) => placeOf(site)))].filter(Boolean).join(", ");
  const holders = sums(lock.blame, (line) => line[0]);
  const said = holders.slice(0, 3).map(([who, time]) => `${nameOf(who)} ${length(time)}`).join(", ") + (holders.length > 3 ? `, and ${holders.length - 3} more` : "");
  const row = element("tr", {}, element("td", { className: "name" }, name, element("div", { className: "quiet", textContent: made })), cell(sites, "name wide"),
    cell(String(lock.times), "n"), cell(length(lock.all), "n"), cell(length(lock.longest), "n"), cell(histogram(lock.lengths)), cell(said));
  if (!lock.blame.length) return [row];
  const inside = element("td", { colSpan: 7 });
  const details = element("details", {}, element("summary", { textContent: "who held it, who waited" }));
  // A matrix is built when somebody looks.
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(blame(lock)));
  details.open = lock === data.locks[0];
  inside.append(details);
  return [row, element("tr", { className: "more" }, inside)];
}

/** What lines of blame take, by a key, the longest first. */
function sums(lines, key) {
  const of = new Map();
  for (const line of lines) of.set(key(line), (of.get(key(line)) ?? 0) + line[4]);
  return [...of].sort((a, b) => b[1] - a[1]);
}

/** How many waits were about how long: each column is twice as long as the one before. */
function histogram(lengths) {
  const first = lengths.findIndex((count) => count > 0), most = Math.max(...lengths);
  const bars = lengths.slice(first).map((count, at) => {
    const high = count ? Math.max((count / most) * 24, 1.5) : 0;
    return shape("rect", { x: at * 8, y: 24 - high, width: 7, height: high });
  });
  const about = (bin) => (bin < 0 ? "0" : rounded(2 ** bin));
  const range = `${about(first - 1)} – ${about(lengths.length - 1)}`;
  const title = `${range}, each column twice as long as the one before: ${lengths.slice(first).join(", ")}`;
  const picture = shape("svg", { class: "histogram", width: bars.length * 8, height: 24, role: "img", "aria-label": title }, shape("title", {}, title), ...bars);
  return element("div", { className: "quiet" }, picture, range);
}

/** A length with the digits that a limit needs. */
function rounded(micros) {
  const [by, unit] = micros >= 1e6 ? [1e6, "s"] : micros >= 1e3 ? [1e3, "ms"] : [1, "µs"];
  return `${Number((micros / by).toPrecision(micros / by < 10 ? 2 : 3))} ${unit}`;
}

/** Who held it (rows) while who waited (columns), and where the holders were. */
function blame({ blame: lines, rest }) {
  const holders = sums(lines, (line) => line[0]), waiters = sums(lines, (line) => line[1]);
  const rows = holders.slice(0, MATRIX), columns = waiters.slice(0, MATRIX);
  const of = new Map(sums(lines, (line) => `${line[0]} ${line[1]}`)), most = Math.max(...of.values(), 1);
  const head = element("tr", {}, element("th", { textContent: "held by ↓  waited →" }), ...columns.map(([who]) => element("th", { scope: "col", textContent: nameOf(who) })),
    element("th", { scope: "col", textContent: "all" }));
  const matrix = rows.map(([holder, all]) => element("tr", {}, element("th", { scope: "row", textContent: nameOf(holder) }),
    ...columns.map(([waiter]) => {
      const time = of.get(`${holder} ${waiter}`);
      const shade = time ? `background: rgba(var(--heat), ${(0.06 + 0.4 * (time / most)).toFixed(2)})` : "";
      return element("td", { style: shade, textContent: time ? length(time) : "" });
    }), element("td", { textContent: length(all) })));
  const places = sums(lines.filter((line) => line[2] >= 0), (line) => `${line[0]} ${line[2]}`).slice(0, 8).map(([key, time]) => {
    const [who, site] = key.split(" ").map(Number);
    return element("li", { textContent: `${length(time)} while ${nameOf(who)} was at ${placeAndFunction(site)}` });
  });
  const hidden = Math.max(holders.length - MATRIX, 0) + Math.max(waiters.length - MATRIX, 0);
  const left = [hidden ? `${hidden} rows and columns with less are not shown` : "", rest ? `${length(rest)} of other pairs` : ""].filter(Boolean).join("; ");
  return element("div", { className: "scroll" }, element("table", { className: "matrix" }, head, ...matrix),
    places.length ? element("ul", { className: "blame" }, ...places) : null, left ? element("p", { className: "quiet", textContent: left }) : null);
}

const swatch = (kind) => element("i", { className: "swatch", style: `background: ${colourOf(kind)}` });
const colourOf = (kind) => `var(--${kind === REST ? "rest" : data.kinds[kind].replace("/", "")})`;

/** Threads below the ones that started them: [thread, depth], in order. */
function lineage() {
  const below = new Map(data.threads.map((_, at) => [at, []]));
  const roots = [];
  data.threads.forEach(({ starter }, at) => (starter !== at && below.has(starter) ? below.get(starter) : roots).push(at));
  const order = [], depths = new Map();
  // A file that lies may have circles: those that no root leads to come last.
  const visit = (start) => {
    const open = [[start, 0]];
    while (open.length) {
      const [at, depth] = open.pop();
      if (depths.has(at)) continue;
      depths.set(at, depth);
      order.push([at, depth]);
      open.push(...below.get(at).map((child) => [child, depth + 1]).reverse());
    }
  };
  roots.forEach(visit);
  data.threads.forEach((_, at) => visit(at));
  return order;
}

function showThreads() {
  const place = document.getElementById("threads");
  const lives = data.threads.map(({ life }) => (life ? life[1] - life[0] : 0));
  const longest = Math.max(...lives, 1);
  const hasProcessor = data.threads.some((thread) => thread.processor);
  const heads = [["thread"], ["started at", "wide"], ["life", "n"], ...(hasProcessor ? [["processor", "n"], ["run queue", "n wide"]] : []), ["its time"], ["at the end"]];
  const { body, whole } = table(heads);
  fillRows(body, whole, lineage(), ([at, depth]) => {
    const thread = data.threads[at];
    const to = () => {
      choose(at, thread.life ? (thread.life[0] + thread.life[1]) / 2 : 0);
      box.focus();
    };
    const name = element("td", { className: "name", style: `padding-left: ${Math.min(depth, 12) * 16}px` }, depth ? "└ " : "", link(thread.name, to, "Show its lane"),
      thread.kind ? element("span", { className: "quiet", textContent: ` ${thread.kind}` }) : null);
    const holds = thread.holds.length && !thread.ended ? element("div", { className: "quiet", textContent: `holds ${thread.holds.join(", ")}` }) : null;
    const known = thread.starter < 0 && thread.startedBy ? ` by '${thread.startedBy}'` : "";
    return element("tr", {}, name, cell((thread.site === null ? "" : placeOf(thread.site)) + known, "wide"), cell(length(lives[at]), "n"),
      ...(hasProcessor ? [cell(length(thread.processor), "n"), cell(length(thread.runQueue), "n wide")] : []),
      cell(bar(thread, lives[at] / longest), "bars"), element("td", { className: thread.died ? "state bad" : "state" }, thread.state, holds));
  });
  place.append(whole);
}

/** As long as the thread's life; its parts are what it did with it. */
function bar({ times }, part) {
  const all = times.reduce((sum, time) => sum + time, 0) || 1;
  const parts = times.map((time, kind) => ({ time, kind })).filter(({ time }) => time > 0);
  const title = parts.map(({ time, kind }) => `${nameOfKind(kind)} ${length(time)}`).join(", ");
  const made = parts.map(({ time, kind }) => element("i", { style: `width: ${((time / all) * 100).toFixed(2)}%; background: ${colourOf(kind)}` }));
  return element("div", { className: "bar", title, role: "img", "aria-label": title, style: `width: ${Math.max(part * 100, 0.5).toFixed(1)}%` }, ...made);
}
