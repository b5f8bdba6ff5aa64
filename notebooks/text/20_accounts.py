# %% [markdown]
# # Accounts: Sales → F&O customers
#
# **Which accounts are not customers yet, and where did the two drift apart?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   S["<b>Sales</b><br/>accounts"]:::sales -- accountnumber --> M["<b>map</b><br/>countries, defaults"] --> C["<b>check</b>"] --> P["<b>reconcile, plan</b>"] --> F["<b>F&O</b><br/>CustomersV2"]:::finops
#   C --> Q["quarantine"]:::waits
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# Sales is the master; nothing flows back. Every customer is of party type *Organization* and gets a customer group, site,
# warehouse and language by default, because F&O cannot take an order without them.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
apply = False  # True writes what is planned
tasks = ["accounts"]
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
# One row for each active account.

# %%
accounts = p2c.walk("accounts", session, tasks=tasks, **options)
accounts.extract()

# %% [markdown]
# Countries are typed freely in Sales and are codes in F&O: *Norge*, *Norway* and *NO* are one country. A blank one gets
# the template's default. A text that is no country is rejected with its reason.

# %%
accounts.map()

# %% [markdown]
# ## Check, reconcile, plan
#
# The gate asks F&O for its currencies, customer groups, sites, warehouses, languages and countries, and sets aside the
# accounts that F&O would refuse.

# %%
accounts.check()

# %%
accounts.reconcile()

# %%
accounts.plan()

# %% [markdown]
# ## Apply
#
# Only where `apply` is True at the top; otherwise nothing is written and the line says what would be.

# %%
accounts.apply()

# %%
accounts.finish()

# %% [markdown]
# ## Look closer
#
# For a person in front of the notebook; unattended runs leave this part out. Click, or walk with the arrow keys and choose
# with Enter. First the gate: its rules and the rows that fail them. Then every difference by its cause. Then the plan
# field by field.

# %% tags=["interactive"]
p2c.GateView(accounts.check(), session)

# %% tags=["interactive"]
p2c.ReconciliationExplorer(accounts.reconcile())

# %% tags=["interactive"]
p2c.PlanReview(accounts.plan())

# %% [markdown]
# The same in one line each, as a terminal shows it:

# %% tags=["interactive", "nbval-check-output"]
print(accounts.check(), accounts.reconcile(), sep="\n")

# %% [markdown]
# ## What this notebook can be told
#
# The parameters at the top, as a form that checks what is typed; beneath it stands the command that runs this notebook
# unattended with these values.

# %% tags=["interactive"]
p2c.ParameterForm("20_accounts")
