// The explorer's face: it draws what the kernel gives and says what was clicked. Text only ever becomes text nodes.
const COLOURS = {
  equal: "#1a7f37", changed: "#bf8700", missing: "#0969da", extra: "#8250df", duplicate: "#cf222e", invalid: "#6e7781",
};

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick" || name === "oninput") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((c) => c));
  return element;
}

function count(number) {
  return Number(number).toLocaleString("en-US");
}

function bar(summary, wanted, choose) {
  const total = Object.values(summary).reduce((a, b) => a + b, 0) || 1;
  const segments = Object.entries(summary).filter(([, rows]) => rows > 0).map(([kind, rows]) => {
    const pressed = wanted.class === kind;
    const button = make("button", {
      class: "segment", "aria-pressed": pressed, title: `${kind}: ${count(rows)} rows`,
      onclick: () => choose({ class: kind, cause: null, field: null, number: 0 }),
    }, `${kind} ${count(rows)}`);
    button.style.flexGrow = Math.max(rows / total, 0.02);
    button.style.borderTopColor = COLOURS[kind];
    return button;
  });
  return make("div", { class: "bar", role: "group", "aria-label": "Classes" }, ...segments);
}

function causeList(causes, wanted, choose) {
  const items = causes.map((line) => {
    const pressed = wanted.cause === line.cause && wanted.field === line.field;
    const next = pressed ? { cause: null, field: null } : { cause: line.cause, field: line.field };
    return make("li", {}, make("button", {
      class: "cause", "aria-pressed": pressed, onclick: () => choose({ class: "changed", number: 0, ...next }),
    }, make("b", {}, line.cause), ` in ${line.field} `, make("span", { class: "count" }, count(line.count)),
    line.money ? make("span", { class: "money" }, ` ${line.money} at stake`) : null));
  });
  return make("ul", { class: "causes", "aria-label": "Causes" }, ...items);
}

function pieces(side) {
  return side.map(([text, differs]) => (differs ? make("mark", {}, text) : document.createTextNode(text)));
}

function rowsTable(page) {
  if (!page.rows || page.rows.length === 0) return make("p", {}, "No rows.");
  const names = Object.keys(page.rows[0]).filter((name) => name !== "marks");
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
  const body = page.rows.map((row) => make("tr", {}, ...names.map((name) => {
    if (row.marks && name === "expected") return make("td", {}, ...pieces(row.marks[0]));
    if (row.marks && name === "actual") return make("td", {}, ...pieces(row.marks[1]));
    return make("td", {}, row[name] ?? "");
  })));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

function pager(page, choose) {
  const last = Math.max(0, Math.ceil(page.total / page.size) - 1);
  const step = (by) => choose({ number: Math.min(last, Math.max(0, page.number + by)) });
  const back = make("button", { onclick: () => step(-1) }, "‹ previous");
  const on = make("button", { onclick: () => step(1) }, "next ›");
  back.disabled = page.number === 0;
  on.disabled = page.number >= last;
  const from = page.total === 0 ? 0 : page.number * page.size + 1;
  const to = Math.min(page.total, (page.number + 1) * page.size);
  return make("div", { class: "pager" }, back, ` ${count(from)} to ${count(to)} of ${count(page.total)} `, on);
}

export default {
  render({ model, el }) {
    el.classList.add("p2c-explorer");
    const choose = (changes) => {
      model.set("wanted", { ...model.get("wanted"), ...changes });
      model.save_changes();
    };
    let waiting = null;
    const search = make("input", { type: "search", placeholder: "search", "aria-label": "Search in the rows" });
    search.oninput = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => choose({ search: search.value, number: 0 }), 250);
    };
    const top = make("div");
    const left = make("div", { class: "left" });
    const right = make("div", { class: "right" });
    el.append(top, make("div", { class: "panes" }, left, make("div", { class: "right" }, search, right)));
    const draw = () => {
      const wanted = model.get("wanted");
      top.replaceChildren(bar(model.get("summary"), wanted, choose));
      left.replaceChildren(causeList(model.get("causes"), wanted, choose));
      right.replaceChildren(rowsTable(model.get("page")), pager(model.get("page"), choose));
    };
    model.on("change:page", draw);
    model.on("change:wanted", draw);
    draw();
    return () => {
      model.off("change:page", draw);
      model.off("change:wanted", draw);
    };
  },
};
