# %% [markdown]
# # Quotes: headers, then lines
#
# **Which quotes are ready for F&O, and what holds the others?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   Q["<b>Sales</b><br/>quotes"]:::sales -- quotenumber --> A["task <b>quotes</b>"] --> H["<b>F&O</b><br/>CDSSalesQuotationHeaders"]:::finops
#   D["<b>Sales</b><br/>quotedetails"]:::sales -- and line number --> B["task <b>quote-lines</b>"] --> L["<b>F&O</b><br/>CDSSalesQuotationLines"]:::finops
#   A -- set aside --> W["its lines are held"]:::waits
#   W --- B
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# A quote travels when it is active and all its products are maintained externally. One write-in line keeps the whole
# quote in Sales: that is not an error, the quote is simply left out.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
apply = False  # True writes what is planned
tasks = ["quotes", "quote-lines"]
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

session = p2c.connect(connection_set, company=company)
limits = {"limit": limit, "ceiling": ceiling, "without": without}
caps = {"max_creates": max_creates, "max_updates": max_updates}
options = {"apply": apply, "run_id": run_id or None, "full": full, "since": since, **limits, **caps}
session

# %% [markdown]
# ## Headers

# %%
headers = p2c.walk("quotes", session, tasks=tasks, **options)
headers.extract()

# %% [markdown]
# The customer of a quote is an account or a contact; F&O has one customer number for both. The total is sent but F&O
# computes its own, so it is not compared.

# %%
headers.map()

# %% [markdown]
# A quote in a currency that F&O does not know is set aside with that reason. It does not vanish, and its lines are
# held with it.

# %%
headers.check()

# %%
headers.reconcile()

# %%
headers.plan()

# %% [markdown]
# Written only where `apply` is True at the top.

# %%
headers.apply()

# %%
headers.finish()

# %% [markdown]
# ## Lines

# %%
lines = p2c.walk("quote-lines", session, tasks=tasks, **options)
lines.extract()

# %% [markdown]
# The discount of a line is a total; F&O keeps it per unit.

# %%
lines.map()

# %% [markdown]
# Lines of a quote that was set aside, or with a product that was, are held: each says which chain of causes it waits for.

# %%
lines.check()

# %%
lines.reconcile()

# %%
lines.plan()

# %% [markdown]
# Written only where `apply` is True at the top.

# %%
lines.apply()

# %%
lines.finish()

# %% [markdown]
# ## Look closer
#
# For a person in front of the notebook; unattended runs leave this part out. Click, or walk with the arrow keys and choose
# with Enter. First the gate of the headers, then that of the lines: which quotes wait and what for. Then every
# difference of the lines by its cause, and their plan field by field.

# %% tags=["interactive"]
p2c.GateView(headers.check(), session)

# %% tags=["interactive"]
p2c.GateView(lines.check(), session)

# %% tags=["interactive"]
p2c.ReconciliationExplorer(lines.reconcile())

# %% tags=["interactive"]
p2c.PlanReview(lines.plan())

# %% [markdown]
# The same in one line each, as a terminal shows it:

# %% tags=["interactive", "nbval-check-output"]
print(headers.extract(), headers.map(), lines.extract(), lines.map(), sep="\n")
