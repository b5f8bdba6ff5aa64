# %% [markdown]
# # History
#
# **What ran, how long did it take, what has become better or worse since last time?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   R["<b>runs</b><br/>p2c run, notebooks"] --> L["<b>ledger</b><br/>of the workspace"]:::waits --> H["<b>history</b><br/>durations, counts, trends"]
#   L --> O["<b>one run</b><br/>gate, causes, plan, outcome"]
#   L --> C["<b>two runs</b><br/>compared"]
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# Every run leaves its facts in the ledger of the workspace: when it ran, for which systems, and what became of every row.
# Nothing here reads or writes the two systems, apart from the first runs of a fresh sandbox. `p2c history` tells the same in
# a terminal, and `p2c history --html history.html` makes a page of it for colleagues.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
last = 50  # look at so many runs, the latest ones

# %%
import p2c_lib as p2c

chosen = {"connection_set": connection_set, "company": company or None}
past = p2c.history(**chosen, most=last)
past

# %% [markdown]
# ## Two runs to look at
#
# A fresh sandbox has no past. These two only plan: one looks at the first hundred accounts, the other at all of them.

# %%
if connection_set == "sandbox" and len(past.runs) < 2:
    with p2c.connect(connection_set) as session:
        p2c.walk("accounts", session, limit=100).finish()
        p2c.walk("accounts", session).finish()
past = p2c.history(**chosen, most=last)
past.table()

# %% [markdown]
# ## How it goes
#
# One line a task. *Agree* is the share of rows on which both systems agree after the run. The last column speaks up when
# more rows wait than at first, or when a task took twice its usual time.

# %%
past.trend_table()

# %%
counts = ["read", "created", "updated", "quarantined", "held", "seconds"]
past.df.groupby("task")[counts].agg(["median", "max"])

# %% [markdown]
# ## One run
#
# Its report: verdict, tasks, the rows that wait and why, the gate, causes, plan and outcomes. A run is named by its id, by
# the beginning of its id, or as `"latest"`.

# %%
p2c.show_run("latest")

# %% [markdown]
# ## Two runs compared
#
# Counts, verdicts, causes, rules and seconds that are not as they were, and whether template or suite were changed in
# between. The older run goes first.

# %%
comparison = p2c.compare(past.runs[-1].run_id, past.runs[0].run_id)
comparison

# %%
comparison.df

# %% [markdown]
# ## For colleagues
#
# A page that stands alone and opens offline; each run leads to its report. Old run folders are removed with
# `p2c history prune --older-than 90d --keep 50`; the facts above stay.

# %%
past.save(past.place / "history.html").name
