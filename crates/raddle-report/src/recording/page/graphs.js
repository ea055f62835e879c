// Who waits for whom, and which lock was wanted under which: boxes in columns, an arrow to the right for each edge. What closes a circle
// is red, and so is all of the circle.

const BOX = { width: 170, height: 26, across: 150, down: 16, left: 24 };
const DRAWN = 30; // boxes, and half as many arrows more; what has more is a list
const LISTED = 40;

/** The nodes that lie on a circle. */
function circles(nodes, next) {
  const reaches = (from, to) => {
    const seen = new Set(), open = [...next(from)];
    while (open.length) {
      const at = open.pop();
      if (at === to) return true;
      if (!seen.has(at)) {
        seen.add(at);
        open.push(...next(at));
      }
    }
    return false;
  };
  return new Set(nodes.filter((node) => reaches(node, node)));
}

/** In which column each stands: after all that lead to it, but for what closes a circle. */
function columns(nodes, next) {
  const column = new Map();
  const visit = (node, depth, path) => {
    if (path.has(node) || depth <= (column.get(node) ?? -1)) return;
    column.set(node, depth);
    path.add(node);
    next(node).forEach((other) => visit(other, depth + 1, path));
    path.delete(node);
  };
  const led = new Set(nodes.flatMap(next));
  nodes.filter((node) => !led.has(node)).forEach((node) => visit(node, 0, new Set()));
  nodes.forEach((node) => column.has(node) || visit(node, 0, new Set()));
  return column;
}

/** A picture of edges { from, to, text }; `name` says what a node is called, `go` what a click on it does. */
function graph(edges, name, go) {
  const nodes = [...new Set(edges.flatMap(({ from, to }) => [from, to]))];
  const next = (node) => edges.filter(({ from }) => from === node).map(({ to }) => to);
  const round = circles(nodes, next), column = columns(nodes, next);
  const places = new Map(), rows = [];
  for (const node of nodes) {
    const at = column.get(node), row = (rows[at] = (rows[at] ?? -1) + 1);
    places.set(node, { x: BOX.left + at * (BOX.width + BOX.across), y: 20 + row * (BOX.height + BOX.down) });
  }
  const width = 2 * BOX.left + rows.length * (BOX.width + BOX.across) - BOX.across, isBack = edges.some(({ from, to }) => column.get(to) <= column.get(from));
  const height = 20 + (isBack ? 40 : 0) + Math.max(...rows.map((row) => row + 1)) * (BOX.height + BOX.down);
  const parts = edges.map((edge) => curve(edge, places, round.has(edge.from) && round.has(edge.to), height));
  const boxes = nodes.map((node) => {
    const { x, y } = places.get(node), text = name(node);
    const label = shape("text", { x: x + 8, y: y + 17 }, text.length > 24 ? `${text.slice(0, 23)}…` : text);
    const made = shape("g", { class: round.has(node) ? "circle" : "" }, shape("title", {}, text), shape("rect", { x, y, width: BOX.width, height: BOX.height, rx: 4 }), label);
    if (!go) return made;
    made.setAttribute("tabindex", "0");
    made.setAttribute("role", "button");
    made.setAttribute("style", "cursor: pointer");
    made.addEventListener("click", () => go(node));
    made.addEventListener("keydown", (event) => event.key === "Enter" && go(node));
    return made;
  });
  return element("div", { className: "graph" }, shape("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group" }, ...parts, ...boxes));
}

function curve({ from, to, text }, places, isRound, height) {
  const a = places.get(from), b = places.get(to), middle = BOX.height / 2;
  const start = [a.x + BOX.width, a.y + middle], tip = [b.x, b.y + middle];
  let line, at;
  if (b.x > a.x) {
    const bend = (tip[0] - start[0]) / 2;
    line = `M${start} C${start[0] + bend},${start[1]} ${tip[0] - bend},${tip[1]} ${tip}`;
    at = [(start[0] + tip[0]) / 2, (start[1] + tip[1]) / 2 - 6];
  } else {
    // Back to the left: below everything.
    const low = height - 12;
    line = `M${start} C${start[0] + 60},${low} ${tip[0] - 60},${low} ${tip}`;
    at = [(start[0] + tip[0]) / 2, (start[1] + 3 * low) / 4 - 8];
  }
  const head = shape("path", { class: "head", d: `M${tip} l-8,-4 v8 z` });
  const short = text.length > 24 ? `${text.slice(0, 23)}…` : text;
  return shape("g", { class: isRound ? "circle" : "" }, shape("path", { d: line }), head, shape("text", { class: "edge", x: at[0], y: at[1], "text-anchor": "middle" }, shape("title", {}, text), short));
}

/** The picture, unless it would be too large, and the same in sentences. */
function showGraph(id, edges, name, go, sentence) {
  const place = document.getElementById(id);
  if (!edges.length) {
    document.getElementById(`s-${id}`).hidden = true;
    return;
  }
  const isSmall = new Set(edges.flatMap(({ from, to }) => [from, to])).size <= DRAWN && edges.length <= DRAWN * 1.5;
  if (isSmall) place.append(graph(edges, name, go));
  const list = element("ul", { className: "blame" }, ...edges.slice(0, LISTED).map((edge) => element("li", { textContent: sentence(edge) })));
  if (edges.length > LISTED) list.append(element("li", { textContent: `and ${edges.length - LISTED} more` }));
  place.append(!isSmall ? list : element("details", {}, element("summary", { textContent: "the same in words" }), list));
}

function showGraphs() {
  const waits = data.waits.map(([from, to, thing, site, since]) => ({ from, to, text: data.things[thing], site, since }));
  const go = (who) => {
    if (who >= lanes.length) return;
    choose(who, end);
    box.focus();
  };
  showGraph("waits", waits, nameOf, go, ({ from, to, text, site, since }) =>
    `${nameOf(from)} waits for ${text}${/ to end$/.test(text) ? "" : `, which ${nameOf(to)} has,`}${site >= 0 ? ` at ${placeAndFunction(site)}` : ""} since ${moment(since)}`);
  const order = data.order.map(([from, to, who, site, times]) => ({ from, to, text: `${nameOf(who)}${site >= 0 ? ` at ${placeOf(site)}` : ""}`, who, site, times }));
  const thing = (number) => data.things[number];
  showGraph("order", order, thing, null, ({ from, to, who, site, times }) =>
    `${nameOf(who)} held ${thing(from)} and waited for ${thing(to)}${site >= 0 ? ` at ${placeAndFunction(site)}` : ""}${times > 1 ? `; seen ${times} times` : ""}`);
}
