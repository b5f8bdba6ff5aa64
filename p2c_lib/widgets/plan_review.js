// The plan's face: it draws what the kernel gives and says what was clicked.

const KINDS = { create: "Fields of new rows", update: "Fields that change", delete: "Fields of rows that go" };

function section(title, lines) {
  return lines.length ? node("details", {}, node("summary", {}, `${title} (${count(lines.length)})`), node("ul", {}, lines.map((line) => node("li", {}, line)))) : null;
}

export default {
  render({ model, el }) {
    begin(el, "plan");
    const { choose, answered } = asking(model, el);
    const search = searching("Search in these lines", model.get("wanted").search, (text) => choose({ search: text, number: 0 }));

    function head() {
      const { title, why, id, ahead, left, money, follows, cannot } = model.get("head");
      return node("div", { class: "head" }, node("b", {}, title), node("span", { class: "quiet" }, ` ${id} · ${ahead}`), node("p", {}, why),
        section("Left alone", left), section("Money", money),
        section("What follows", follows), section("Cannot be undone", cannot));
    }

    // One operation whole: every field, what changes marked, and how to ask later why a value stands there.
    function opened() {
      const { key, op, reason, fields, why } = model.get("opened");
      if (!key) return null;
      const close = () => choose({ open: null });
      const sides = ({ marks, before, after }) => (marks ? marks.map(pieces) : [before ?? "", after ?? ""]);
      return node("section", { class: "opened", "aria-label": `Operation ${key}`, onkeydown: (event) => event.key === "Escape" && close() },
        node("div", { class: "title" }, node("span", {}, node("b", {}, `${op} ${key}`), node("span", { class: "quiet" }, ` · ${reason}`)),
          node("button", { type: "button", "data-focus": "close", onclick: close }, "Close")),
        node("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Fields" }, node("table", {},
          node("thead", {}, node("tr", {}, ["field", "before", "after", "cause"].map((name) => node("th", { scope: "col" }, name)))),
          node("tbody", {}, fields.map((line) => node("tr", { class: line.cause ? null : "quiet" }, node("td", {}, breakable(line.field)),
            ...sides(line).map((side) => node("td", {}, side)), node("td", {}, line.cause ?? "")))))),
        node("p", { class: "quiet" }, "Once it is applied, ", node("code", {}, why), " tells where a value came from."));
    }

    function bar() {
      const kinds = Object.entries(model.get("head").counts).filter(([, rows]) => rows);
      return segments("Kinds of operation", kinds.map(([name, rows]) => ({
        name, rows, colour: `var(--p2c-${name})`, chosen: model.get("wanted").op === name,
        pick: () => choose({ op: name, cause: null, field: null, number: 0, open: null }),
      })));
    }

    function causes() {
      const wanted = model.get("wanted");
      if (wanted.op !== "update") return null;
      return listing("Causes", model.get("causes").map(({ cause, field, rows }) => {
        const chosen = wanted.cause === cause && wanted.field === field;
        const other = chosen ? { cause: null, field: null } : { cause, field };
        return { key: `cause ${cause} ${field}`, name: cause, where: field, rows, chosen, pick: () => choose({ number: 0, ...other }) };
      }));
    }

    function paint() {
      const [page, wanted, counts] = [model.get("page"), model.get("wanted"), model.get("head").counts];
      if (model.get("nothing")) return fill(el, nothing(model.get("nothing")));
      if (!Object.values(counts).some(Boolean)) return fill(el, problem(model), head(), nothing("Nothing to write: both systems agree."));
      const rows = lines(page, {
        label: "Lines", without: ["op", "position"], marked: ["before", "after"], empty: wanted.search ? "No line has this text." : "Nothing.",
        opens: { name: "key", chosen: ({ position }) => wanted.open === position, pick: ({ position }) => choose({ open: wanted.open === position ? null : position }) },
      });
      const title = node("p", { class: "said" }, node("b", {}, KINDS[wanted.op]), ` · ${count(page.total)}`);
      return fill(el, problem(model), head(), bar(), panes(causes(), title, search.field, rows, pager(page, (number) => choose({ number })), opened() ?? []));
    }

    const leave = follow(model, ["page", "problem", "opened"], () => { answered(); redraw(el, paint); });
    return () => { leave(); search.forget(); };
  },
};
