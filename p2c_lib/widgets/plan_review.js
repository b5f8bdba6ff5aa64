// The plan's face: it draws what the kernel gives and says what was clicked.

const KINDS = { create: "Fields of new rows", update: "Fields that change", delete: "Fields of rows that go" };

function section(title, lines) {
  return lines.length ? node("details", {}, node("summary", {}, `${title} (${count(lines.length)})`), node("ul", {}, lines.map((line) => node("li", {}, line)))) : null;
}

export default {
  render({ model, el }) {
    begin(el, "plan");
    let turn = model.get("page").turn ?? 0;

    function choose(changes) {
      turn += 1;
      el.setAttribute("aria-busy", "true");
      model.set("wanted", { ...model.get("wanted"), ...changes, turn });
      model.save_changes();
    }

    function head() {
      const { title, why, id, ahead, left, money, follows, cannot } = model.get("head");
      return node("div", { class: "head" }, node("b", {}, title), node("span", { class: "quiet" }, ` ${id} · ${ahead}`), node("p", {}, why),
        section("Left alone", left), section("Money, in the rows' own currencies", money),
        section("What the service then does by itself", follows), section("Cannot be undone", cannot));
    }

    function bar() {
      const wanted = model.get("wanted");
      const group = node("div", { class: "bar", role: "group", "aria-label": "Kinds of operation" });
      group.append(...Object.entries(model.get("head").counts).filter(([, rows]) => rows).map(([op, rows]) => node("button", {
        type: "button", "aria-pressed": String(wanted.op === op), "data-focus": `op ${op}`, tabindex: wanted.op === op ? "0" : "-1",
        onkeydown: (event) => walk(event, [...group.children]), onclick: () => choose({ op, cause: null, field: null, number: 0 }),
      }, node("b", {}, op), ` ${counted(rows, "row")}`)));
      return group;
    }

    function causes() {
      const wanted = model.get("wanted");
      const lines = model.get("causes");
      if (wanted.op !== "update" || !lines.length) return null;
      const chosen = (line) => wanted.cause === line.cause && wanted.field === line.field;
      const any = lines.some(chosen);
      const list = node("ul", { class: "causes", "aria-label": "Causes" });
      list.append(...lines.map((line, n) => node("li", {}, node("button", {
        type: "button", "aria-pressed": String(chosen(line)), "data-focus": `cause ${line.cause} ${line.field}`, tabindex: chosen(line) || (!any && n === 0) ? "0" : "-1",
        onkeydown: (event) => walk(event, [...list.querySelectorAll("button")]),
        onclick: () => choose({ number: 0, ...(chosen(line) ? { cause: null, field: null } : { cause: line.cause, field: line.field }) }),
      }, node("b", {}, line.cause), ` in ${line.field} `, node("span", { class: "quiet" }, count(line.count))))));
      return list;
    }

    function rows() {
      const page = model.get("page");
      if (!page.rows.length) return node("p", { class: "quiet" }, model.get("wanted").search ? "No line has this text." : "Nothing.");
      const names = Object.keys(page.rows[0]).filter((name) => name !== "marks" && name !== "op");
      const cell = (row, name) => (row.marks && name === "before" ? pieces(row.marks[0]) : row.marks && name === "after" ? pieces(row.marks[1]) : row[name] ?? "");
      return node("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Lines" }, node("table", {},
        node("thead", {}, node("tr", {}, names.map((name) => node("th", { scope: "col" }, name)))),
        node("tbody", {}, page.rows.map((row) => node("tr", {}, names.map((name) => node("td", {}, cell(row, name))))))));
    }

    const search = searching("Search in these lines", model.get("wanted").search, (text) => choose({ search: text, number: 0 }));
    const turned = (number) => choose({ number });

    function paint() {
      const left = causes();
      const { op } = model.get("wanted");
      el.replaceChildren(head(), bar(), node("div", { class: left ? "panes" : "panes alone" }, left,
        node("div", {}, node("p", { class: "said" }, node("b", {}, KINDS[op]), ` · ${count(model.get("page").total)}`), search.field, rows(), pager(model.get("page"), turned))));
    }

    function draw() {
      el.setAttribute("aria-busy", String((model.get("page").turn ?? 0) < turn));
      redraw(el, paint);
    }

    model.on("change:page", draw);
    paint();
    return () => {
      model.off("change:page", draw);
      search.forget();
    };
  },
};
