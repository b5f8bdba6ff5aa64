// The explorer's face: it draws what the kernel gives and says what was clicked.

const SAID = {
  equal: "Rows that agree", changed: "Differences", missing: "Rows the destination lacks",
  extra: "Rows only the destination has", duplicate: "Rows whose key stands twice on a side", invalid: "Rows without a key",
};

const FORMS = { xlsx: "Excel", csv: "CSV", parquet: "Parquet" };

// What the kernel hands over becomes a file among the browser's downloads.
function keep(said, [content]) {
  if (said.do !== "keep") return;
  const address = URL.createObjectURL(new Blob([content]));
  node("a", { href: address, download: said.name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export default {
  render({ model, el }) {
    begin(el, "reconciliation");
    const { choose, answered } = asking(model, el);
    const search = searching("Search in these rows", model.get("wanted").search, (text) => choose({ search: text, number: 0 }));

    function bar() {
      const kinds = Object.entries(model.get("summary")).filter(([, rows]) => rows > 0);
      return segments("Classes", kinds.map(([name, rows]) => ({
        name, rows, colour: `var(--p2c-${name})`, chosen: model.get("wanted").class === name,
        pick: () => choose({ class: name, cause: null, field: null, number: 0 }),
      })));
    }

    function causes() {
      const wanted = model.get("wanted");
      if (wanted.class !== "changed") return null;
      return listing("Causes", model.get("causes").map(({ cause, field, count: rows, money }) => {
        const chosen = wanted.cause === cause && wanted.field === field;
        const other = chosen ? { cause: null, field: null } : { cause, field };
        return { key: `cause ${cause} ${field}`, name: cause, where: `${field}${money ? ` · ${money} at stake` : ""}`, rows, chosen, pick: () => choose({ number: 0, ...other }) };
      }));
    }

    function proposal(wanted) {
      const fix = model.get("fix");
      if (fix.cause !== wanted.cause || fix.field !== wanted.field) return null;
      return node("div", { class: "proposal", role: "status" }, node("b", {}, fix.words), fix.effect ? node("div", {}, fix.effect) : null);
    }

    function title(wanted) {
      const what = wanted.cause ? `${wanted.cause} in ${wanted.field}` : SAID[wanted.class];
      const ask = wanted.cause ? node("button", { type: "button", "data-focus": "fix", onclick: () => {
        el.setAttribute("aria-busy", "true");
        model.send({ do: "fix", cause: wanted.cause, field: wanted.field });
      } }, "What would settle it?") : null;
      return [node("div", { class: "title" }, node("span", { class: "said" }, node("b", {}, what), ` · ${count(model.get("page").total)}`), ask),
        wanted.cause ? proposal(wanted) : null];
    }

    function saving() {
      return node("div", { class: "saving", role: "group", "aria-label": "Save these rows" }, node("span", { class: "quiet" }, "Save as"),
        Object.entries(FORMS).map(([suffix, name]) => node("button", {
          type: "button", "data-focus": `save ${suffix}`, onclick: () => model.send({ do: "download", suffix }),
        }, name)));
    }

    function paint() {
      const [page, wanted] = [model.get("page"), model.get("wanted")];
      if (model.get("nothing")) return fill(el, nothing(model.get("nothing")));
      const rows = lines(page, {
        label: "Rows", without: wanted.cause ? ["cause", "field"] : [], marked: ["expected", "actual"],
        empty: wanted.search ? "No row has this text." : "No rows.",
      });
      fill(el, problem(model), bar(), panes(causes(), title(wanted), node("div", { class: "finding" }, search.field, saving()),
        rows, pager(page, (number) => choose({ number }))));
    }

    const leave = follow(model, ["page", "fix", "problem"], () => { answered(); redraw(el, paint); });
    model.on("msg:custom", keep);
    return () => { leave(); search.forget(); model.off("msg:custom", keep); };
  },
};
