# %% [markdown]
# # Reconcile
#
# **Where do the two systems disagree, why, and what would settle it?**
#
# ```
# what Sales would send ──▶ ┐
#                           ├── paired by the integration key ──▶ classes ──▶ causes ──▶ what would settle them
# what F&O holds ─────────▶ ┘
# ```
#
# Nothing is written here. Every row of either side lands in exactly one class: *equal*, *changed*, *missing* (F&O lacks
# it), *extra* (only F&O has it), *duplicate* (its key stands twice on a side) or *invalid* (it has no key).

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
task = "accounts"
limit = None  # read only so many source rows

# %% [markdown]
# ## One task
#
# Rows are read, mapped and checked as in a run; what the gate sets aside is not compared.

# %%
import p2c_lib as p2c

session = p2c.connect(connection_set, company=company)
walk = p2c.walk(task, session, limit=limit)
recon = walk.reconcile()
recon

# %% [markdown]
# ## Why they differ
#
# A person should see a dozen causes, not nine thousand rows: each line above is one cause in one field, with an example,
# the rows it stands behind, and the sum of the gaps where the field is money. The rows themselves are a pandas frame.

# %%
recon.df.head(10)

# %% [markdown]
# ## What would settle them
#
# Where a rule would make a cause go away, it is proposed: a step of the mapping if it turns every value of the cause into
# the other side's and harms none, a compare rule otherwise. The preview compares the whole field again with it.

# %%
fixes = [cluster.fix for cluster in recon.clusters if cluster.fix]
print("\n".join(str(recon.preview(fix)) for fix in fixes[:8]) or "No rule would settle any of them.")

# %% [markdown]
# Nothing is accepted by itself. This is how it would look with the first proposal accepted; `fix.into(template)` puts it
# into the template, to be looked at in the mapping lab and saved.

# %%
recon.accepting(fixes[:1])

# %% [markdown]
# ## Click through it
#
# Classes are the bar, causes the list. Choose a cause and ask what would settle it; what differs between two values is
# marked. Arrow keys walk, Enter chooses. Unattended runs and printed notebooks show the same content as plain tables.

# %% tags=["interactive"]
explorer = p2c.ReconciliationExplorer(recon)
explorer

# %% [markdown]
# What is chosen in the explorer goes to a file for colleagues, all of it: `.xlsx`, `.csv` or `.parquet`.

# %%
explorer.export(session.workspace.state / f"{task}-differences.xlsx").name

# %% [markdown]
# ## The whole company
#
# Every task at once, rows that refer to none, the same party twice within one system, and how the share of agreeing rows
# goes over time. Each visit adds a line to the ledger of the workspace. `p2c reconcile --all` is the same from a terminal.

# %%
company = p2c.reconcile_all(session)
company

# %%
session.close()
