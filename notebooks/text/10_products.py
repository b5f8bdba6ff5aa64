# %% [markdown]
# # Products: F&O → Sales
#
# **Which products does Sales lack, and where do the two disagree on price, cost or text?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   F["<b>F&O</b><br/>SellableReleasedProducts"]:::finops -- ProductNumber --> M["<b>map</b><br/>units, types"] --> C["<b>check</b>"] --> P["<b>reconcile, plan</b>"] --> S["<b>Sales</b><br/>products"]:::sales --> L["price-list item"]:::sales
#   C --> Q["quarantine"]:::waits
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# F&O is the master. A product arrives in Sales as *maintained externally*: its form is locked there, and the Prospect to
# cash solution puts it on the price list of its currency. A quote can only travel when all its products are of this kind,
# so products come first.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
apply = False  # True writes what is planned
tasks = ["products"]
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
# ## Read and map
#
# One row for each sellable product or variant of the company.

# %%
products = p2c.walk("products", session, tasks=tasks, **options)
products.extract()

# %% [markdown]
# Units need a map, since F&O says `ea` where Sales says `Each`; a unit that is not in the map is rejected rather than
# guessed. F&O's *Item* and *Service* become choices of Sales.

# %%
products.map()

# %% [markdown]
# ## Check, reconcile, plan
#
# The gate asks whether Sales knows the currency, the unit and the unit group. Reconciling shows prices first: they are
# what F&O changes most.

# %%
products.check()

# %%
products.reconcile()

# %%
products.plan()

# %% [markdown]
# ## Apply
#
# Only where `apply` is True at the top; otherwise nothing is written and the line says what would be.

# %%
products.apply()

# %%
products.finish()

# %% [markdown]
# ## Look closer
#
# For a person in front of the notebook; unattended runs leave this part out. Click, or walk with the arrow keys and choose
# with Enter. First the gate: its rules and the rows that fail them. Then every difference by its cause. Then the plan
# field by field.

# %% tags=["interactive"]
p2c.GateView(products.check(), session)

# %% tags=["interactive"]
p2c.ReconciliationExplorer(products.reconcile())

# %% tags=["interactive"]
p2c.PlanReview(products.plan())

# %% [markdown]
# The same in one line each, as a terminal shows it:

# %% tags=["interactive", "nbval-check-output"]
print(products.check(), products.reconcile(), sep="\n")

# %% [markdown]
# ## What this notebook can be told
#
# The parameters at the top, as a form that checks what is typed; beneath it stands the command that runs this notebook
# unattended with these values.

# %% tags=["interactive"]
p2c.ParameterForm("10_products")
