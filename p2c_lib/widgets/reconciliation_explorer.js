// The explorer's face: it draws what the kernel gives and says what was clicked.

const SAID = {
  equal: "Rows that agree", changed: "Differences", missing: "Rows the destination lacks",
  extra: "Rows only the destination has", duplicate: "Rows whose key stands twice on a side", invalid: "Rows without a key",
};

export default {
  render({ model, el }) {
    begin(el, "reconciliation");
    let turn = model.get("page").turn ?? 0;

    function choose(changes) {
      turn += 1;
      el.setAttribute("aria-busy", "true");
      model.set("wanted", { ...model.get("wanted"), ...changes, turn });
      model.save_changes();
    }

    const chosen = (line) => {
      const wanted = model.get("wanted");
      return wanted.class === "changed" && wanted.cause === line.cause && wanted.field === line.field;
    };

    function bar() {
      const wanted = model.get("wanted");
      const group = node("div", { class: "bar", role: "group", "aria-label": "Classes" });
      const kinds = Object.entries(model.get("summary")).filter(([, rows]) => rows > 0);
      const total = kinds.reduce((sum, [, rows]) => sum + rows, 0);
      group.append(...kinds.map(([kind, rows]) => node("button", {
        type: "button", class: "segment", "aria-pressed": String(wanted.class === kind), "data-focus": `class ${kind}`,
        tabindex: wanted.class === kind ? "0" : "-1", style: `border-top-color: var(--p2c-${kind}); flex-grow: ${Math.max(1, Math.round(100 * rows / total))}`,
        onkeydown: (event) => walk(event, [...group.children]),
        onclick: () => choose({ class: kind, cause: null, field: null, number: 0 }),
      }, node("b", {}, kind), node("span", {}, count(rows)))));
      return group;
    }

    function causes() {
      const lines = model.get("causes");
      const list = node("ul", { class: "causes", "aria-label": "Causes" });
      const any = lines.some(chosen);
      list.append(...lines.map((line, n) => node("li", {}, node("button", {
        type: "button", class: "cause", "aria-pressed": String(chosen(line)), "data-focus": `cause ${line.cause} ${line.field}`,
        tabindex: chosen(line) || (!any && n === 0) ? "0" : "-1",
        onkeydown: (event) => walk(event, [...list.querySelectorAll("button")]),
        onclick: () => choose({ class: "changed", number: 0, ...(chosen(line) ? { cause: null, field: null } : { cause: line.cause, field: line.field }) }),
      }, node("b", {}, line.cause), node("span", {}, count(line.count)),
      node("span", { class: "where quiet" }, line.field, line.money ? ` · ${line.money} at stake` : "")))));
      return lines.length ? list : null;
    }

    function proposal(wanted) {
      const fix = model.get("fix");
      if (fix.cause !== wanted.cause || fix.field !== wanted.field) return null;
      return node("div", { class: "proposal", role: "status" }, node("b", {}, fix.words), fix.effect ? node("div", {}, fix.effect) : null);
    }

    function title() {
      const wanted = model.get("wanted");
      const page = model.get("page");
      const what = wanted.cause ? `${wanted.cause} in ${wanted.field}` : SAID[wanted.class];
      const ask = wanted.cause ? node("button", { type: "button", "data-focus": "fix", onclick: () => {
        el.setAttribute("aria-busy", "true");
        model.send({ do: "fix", cause: wanted.cause, field: wanted.field });
      } }, "What would settle it?") : null;
      return [node("div", { class: "title" }, node("span", { class: "said" }, node("b", {}, what), ` · ${count(page.total)}`), ask),
        wanted.cause ? proposal(wanted) : null];
    }

    function rows() {
      const page = model.get("page");
      const wanted = model.get("wanted");
      if (!page.rows?.length) return node("p", { class: "quiet" }, wanted.search ? "No row has this text." : "No rows.");
      const known = new Set(["marks", ...(wanted.cause ? ["cause", "field"] : [])]);
      const names = Object.keys(page.rows[0]).filter((name) => !known.has(name));
      const cell = (row, name) => (row.marks && name === "expected" ? pieces(row.marks[0]) : row.marks && name === "actual" ? pieces(row.marks[1]) : row[name] ?? "");
      return node("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" }, node("table", {},
        node("thead", {}, node("tr", {}, names.map((name) => node("th", { scope: "col" }, breakable(name))))),
        node("tbody", {}, page.rows.map((row) => node("tr", {}, names.map((name) => node("td", {}, cell(row, name))))))));
    }

    const search = searching("Search in these rows", model.get("wanted").search, (text) => choose({ search: text, number: 0 }));
    const turned = (number) => choose({ number });

    function paint() {
      const top = el.querySelector(".causes")?.scrollTop ?? 0;
      const left = model.get("wanted").class === "changed" ? causes() : null;
      el.replaceChildren(bar(), node("div", { class: left ? "panes" : "panes alone" }, left,
        node("div", { class: "right" }, title(), search.field, rows(), pager(model.get("page"), turned))));
      if (left) left.scrollTop = top;
    }

    function draw() {
      const page = model.get("page");
      el.setAttribute("aria-busy", String((page.turn ?? 0) < turn));
      redraw(el, paint);
    }

    model.on("change:page", draw);
    model.on("change:fix", draw);
    paint();
    return () => {
      model.off("change:page", draw);
      model.off("change:fix", draw);
      search.forget();
    };
  },
};
