# %% [markdown]
# # Meet both systems
#
# **What do the two systems know about the same customer, and how does the workbench bring them into agreement?**
#
# **Sales** (Dynamics 365 Sales, on Dataverse) owns accounts, contacts and quotes. **F&O** (Finance and Operations) owns
# products. Each needs the other's rows to turn a prospect into cash.
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   S["<b>Sales</b><br/>accounts"]:::sales --> M["<b>map</b><br/>template"] --> C["<b>check</b><br/>gate"] --> R["<b>reconcile</b>"] --> P["<b>plan</b>"] --> F["<b>F&O</b><br/>CustomersV2"]:::finops
#   C --> Q["quarantine"]:::waits
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# In ten minutes you take the accounts of a company all the way. Run the cells one by one with Shift+Enter, or all of them
# from the menu *Run*. Nothing is changed in either system: the tour ends with a *plan*, and a plan writes only when you
# apply it. For your own tenant, name its connection set in the next cell.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml

# %% [markdown]
# ## Connect
#
# A connection set pairs one Sales with one F&O connection. The set `sandbox` is an offline twin of both on your own
# machine; it starts by itself.

# %%
import p2c_lib as p2c

session = p2c.connect(connection_set)
session

# %% [markdown]
# Every step of a connection can be looked at: address, sign-in, identity, rights, entities. Where one fails, the remedy
# stands beside it.

# %% tags=["interactive"]
p2c.ConnectionPanel(connection_set)

# %% [markdown]
# ## Extract
#
# A *template* says which rows of which entity go where. Its source is a query; what comes back is a frame that knows its
# types and where it came from. `source.df` is an ordinary pandas frame.

# %%
template = p2c.template("accounts")
source = session.extract(template.source)
source

# %% [markdown]
# The other side is read in the same way. This is one customer as both systems hold it; where F&O has no such customer
# yet, the second table is empty.

# %%
target = session.extract(template.destination)
number = source.df["accountnumber"].iloc[1]
source.df.query("accountnumber == @number").dropna(axis="columns").T

# %%
target.df.query("CustomerAccount == @number").dropna(axis="columns").T

# %% [markdown]
# ## Map
#
# Each rule of the template moves one field: a copy, a default, a value map, a country code. The result has the columns of
# the *destination*. What a rule cannot convert is rejected with its reason, never dropped.

# %%
template

# %%
mapped = p2c.map_frame(source, template, session)
mapped

# %% [markdown]
# ## Check
#
# The gate holds the mapped rows against an expectation suite (`expectations/accounts.json`). A row that breaks a critical
# rule is set aside in quarantine, with the reason in words; a rule that only warns lets it pass.

# %%
gate = p2c.check(mapped, "accounts")
gate

# %% [markdown]
# ## Reconcile
#
# What passed is paired with what F&O has, by the integration key. Every row lands in exactly one class, and every
# difference has a cause.

# %%
recon = p2c.reconcile(gate.passed, target, template)
recon

# %% [markdown]
# ## Plan
#
# A plan is a folder of files: what would be created, and what would change field by field. Nothing has been written yet.

# %%
plan = p2c.plan(recon, gate)
plan

# %% [markdown]
# In one line each: nothing was lost on the way. Read = passed + quarantined + held, and every row that passed is equal,
# changed or missing at the destination.

# %% tags=["nbval-check-output"]
print(mapped, gate, recon, f"{plan.creates} to create, {plan.updates} to update", sep="\n")

# %% [markdown]
# ## Look closer
#
# Each result can be clicked through. Rules of the gate and the rows that fail them:

# %% tags=["interactive"]
p2c.GateView(gate, session)

# %% [markdown]
# Classes and causes of the reconciliation:

# %% tags=["interactive"]
p2c.ReconciliationExplorer(recon)

# %% [markdown]
# And the plan, field by field, before anybody approves it:

# %% tags=["interactive"]
p2c.PlanReview(plan)

# %% [markdown]
# ## Watch a run
#
# `p2c run` in a terminal (*File > New > Terminal*) executes the notebooks `10_products` to `40_quotes` unattended.
# Whatever runs in this workspace shows here as it happens, the latest run first.

# %% tags=["interactive"]
p2c.RunMonitor(session.workspace)

# %%
session.close()

# %% [markdown]
# ## Where next
#
# | to | open |
# |---|---|
# | walk one task step by step, and apply it | `10_products`, `20_accounts`, `30_contacts`, `40_quotes` |
# | change a mapping rule and see its effect on real records | `50_mapping_lab` |
# | find why two systems disagree, over the whole company | `60_reconcile` |
# | see what became of every run | `70_history` |
