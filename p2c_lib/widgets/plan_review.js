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
        section("Left alone", left), section("Money, in the rows' own currencies", money),
        section("What the service then does by itself", follows), section("Cannot be undone", cannot));
    }

    function bar() {
      const kinds = Object.entries(model.get("head").counts).filter(([, rows]) => rows);
      return segments("Kinds of operation", kinds.map(([name, rows]) => ({
        name, rows, colour: `var(--p2c-${name})`, chosen: model.get("wanted").op === name,
        pick: () => choose({ op: name, cause: null, field: null, number: 0 }),
      })));
    }

    function causes() {
      const wanted = model.get("wanted");
      if (wanted.op !== "update") return null;
      return listing("Causes", model.get("causes").map(({ cause, field, count: rows }) => {
        const chosen = wanted.cause === cause && wanted.field === field;
        const other = chosen ? { cause: null, field: null } : { cause, field };
        return { key: `cause ${cause} ${field}`, name: cause, where: field, rows, chosen, pick: () => choose({ number: 0, ...other }) };
      }));
    }

    function paint() {
      const [page, wanted, counts] = [model.get("page"), model.get("wanted"), model.get("head").counts];
      if (!Object.values(counts).some(Boolean)) return fill(el, problem(model), head(), nothing("Nothing to write: both systems agree."));
      const rows = lines(page, { label: "Lines", without: ["op"], marked: ["before", "after"], empty: wanted.search ? "No line has this text." : "Nothing." });
      const title = node("p", { class: "said" }, node("b", {}, KINDS[wanted.op]), ` · ${count(page.total)}`);
      return fill(el, problem(model), head(), bar(), panes(causes(), title, search.field, rows, pager(page, (number) => choose({ number }))));
    }

    const leave = follow(model, ["page", "problem"], () => { answered(); redraw(el, paint); });
    return () => { leave(); search.forget(); };
  },
};
