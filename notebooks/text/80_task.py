# %% [markdown]
# # A task of your own
#
# **What became of every row of one task, step by step?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   T["templates/your-task.yml"]:::waits --> E["<b>extract</b>"] --> M["<b>map</b>"] --> G["<b>check</b>"] --> R["<b>reconcile</b>"] --> P["<b>plan</b>"] --> A["<b>apply</b>"]
#   G --> Q["quarantine"]:::waits
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# Any task can be walked here. `p2c run` takes this notebook for the tasks that a workspace has added with a template of
# its own, one after the other, each where its `needs` put it.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
apply = False  # True writes what is planned
tasks = ["accounts"]  # the one task to walk
run_id = ""  # the run this belongs to; empty: a run of its own
full = True  # False reads only what changed since the last load
since = None  # read only rows changed since this moment, such as "2026-01-31T12:00:00Z"
limit = None  # read only so many source rows
ceiling = 0.05  # share of rows that may be quarantined before the load stops
without = []  # rules of the suite that are switched off, by name
max_creates = None  # a plan of more creations is refused
max_updates = None  # a plan of more updates is refused

# %%
import p2c_lib as p2c

[task] = tasks
session = p2c.connect(connection_set, company=company)
limits = {"limit": limit, "ceiling": ceiling, "without": without}
caps = {"max_creates": max_creates, "max_updates": max_updates}
options = {"apply": apply, "run_id": run_id or None, "full": full, "since": since, **limits, **caps}
session

# %% [markdown]
# ## Read and map
#
# The template says which rows of which entity go where, and by which rule.

# %%
walk = p2c.walk(task, session, tasks=tasks, **options)
walk.template

# %%
walk.extract()

# %%
walk.map()

# %% [markdown]
# ## Check, reconcile, plan
#
# The gate is the suite `expectations/<task>.json`. What passes is paired with the destination's rows by the integration
# key; the plan holds what would be written.

# %%
walk.check()

# %%
walk.reconcile()

# %%
walk.plan()

# %%
walk.apply()  # shows nothing unless apply is True

# %%
walk.finish()
