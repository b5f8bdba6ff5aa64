# %% [markdown]
# # Reconcile
#
# **Where do the two systems disagree, why, and what would settle it?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   S["what Sales<br/>would send"]:::sales --> P["<b>pair</b><br/>by key"]
#   F["what F&O<br/>holds"]:::finops --> P
#   P --> C["<b>classes</b><br/>equal, changed, missing, extra ..."] --> W["<b>causes</b><br/>why they differ"] --> X["<b>what would<br/>settle them</b>"]
#   A["what both last<br/>agreed on"]:::waits -.-> W
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# Nothing is written here. Every row of either side lands in exactly one class: *equal*, *changed*, *missing* (F&O lacks
# it), *extra* (only F&O has it), *duplicate* (its key stands twice on a side) or *invalid* (it has no key). The counts add
# up to the rows that were read. What each class and each cause means stands in `docs/reconcile.md`.

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
# Some causes no single row shows: a price that is another times 1.12 is a price rise when a dozen prices are; *Essonne*
# and *91* are a name and its code in a field where all others are. What the rows of a cause have in common is said.

# %%
[cluster.says for cluster in recon.clusters if cluster.says] or "Nothing in common beyond the cause."

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

# %% tags=["interactive"]
explorer.export(session.workspace.state / f"{task}-differences.xlsx").name

# %% [markdown]
# ## The whole company
#
# Every task at once, rows that refer to none, the same party twice within one system, and how the share of agreeing rows
# goes over time. Each visit adds a line to the ledger of the workspace. `p2c reconcile --all` is the same from a terminal.
#
# Once both systems were brought into agreement, that state is the third side: a difference says which side moved since
# (*source-ahead*, *destination-ahead*, *both-changed*), and a row only F&O has says whether it is ours and was deleted in
# Sales, or never was ours. Who said of two rows that they are one party, or are not, is never asked again:
# `p2c duplicates decide`.

# %%
view = p2c.reconcile_all(session)
view

# %% [markdown]
# The same in one line, as a terminal shows it:

# %% tags=["interactive", "nbval-check-output"]
print(recon)

# %%
session.close()

# %% [markdown]
# ## A real company: AdventureWorks
#
# What such a view is worth shows on data nobody planted. AdventureWorks sells bicycles; its data warehouse, brought into
# the columns of Sales, and its order system, brought into those of F&O, tell two stories of one company. Loaded with
# `p2c sandbox load FOLDER --reset` and compared before anything was written:
#
# | task | equal | changed | missing |
# |---|---|---|---|
# | products | 0 | 293 | 11 |
# | accounts | 0 | 350 | 351 |
#
# *Not one row agrees*, and 3,201 cells differ. Yet there are no more than fourteen things to know:
#
# | field | rows | cause | what it means, and what to do |
# |---|---|---|---|
# | price | 76 | `ratio` | F&O is 12 % (28), 10 % (21), 13.3 % (17) or 4 % (10) above Sales: a price rise that never reached Sales, 7,462.44 at stake. Apply the plan. |
# | currentcost | 76 | `value` | The same 76 products got new costs, 5,957.03 in all, but in no pattern: real new values. Apply the plan. |
# | description | 293 | `other-source` | F&O holds the model's name there (*LL Bottom Bracket*), Sales a sentence for customers (*Chromoly steel.*). Sending it would destroy the sentences: leave the field alone, or fill it in F&O first. |
# | isstockitem | 293 | `constant` | Always *false* in Sales: it was never filled. Apply the plan. |
# | AddressState | 350 | `unmapped-value` | Sales writes *Washington*, *Nord*, *Essonne*, F&O *WA*, *59*, *91*. Accept the 53 entries, or choose the template's option `states: codes`. |
# | AddressStreet | 10 | `encoding` | *Roástr* is *Roßstr*: German and French streets were read in the wrong code page on their way into Sales. Repair them there, or they spoil F&O. |
# | AddressStreet | 1 | `unicode` | *l' Union* and *l´ Union*: two apostrophes. Leave it. |
# | AddressStreet | 2 | `value` | Two shops moved. Ask them. |
# | PrimaryContactPhone, OrganizationNumberOfEmployees | 350 each | `not-filled` | F&O never had them. Apply the plan. |
# | AddressDescription, DeliveryAddressDescription | 350 each | `not-filled` | The template describes an address by the customer's name; F&O left it empty. Apply the plan. |
# | AddressLocationRoles, DeliveryAddressCountryRegionISOCode | 350 each | `default` | The template's own *Business* and *USA*, which F&O never got. For French shops the country of a delivery address that is not there is *USA* too: worth a thought before it is sent. |
#
# The 11 missing products are new in F&O, the 351 missing accounts are the shops that are not customers yet: creations.
# Beside the tasks, four contacts neither buy nor work for an account, two pairs of shops bear one name, and 407 people
# stand twice in Sales, with the same name, e-mail and phone. The other pairs of people the search proposes, 785 of them,
# resemble each other in the name alone, and are for a person to decide.
