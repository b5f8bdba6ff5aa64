# %% [markdown]
# # Contacts: two routes into F&O
#
# **Who is a contact person of a customer, and who buys in their own name?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   S["<b>Sales</b><br/>contacts"]:::sales -- works for an account --> A["task <b>contacts</b>"] --> P["<b>F&O</b><br/>CDSContactPersons"]:::finops
#   S -- has a quote or order --> B["task <b>contact-customers</b>"] --> F["<b>F&O</b><br/>CustomersV2"]:::finops
#   A -- its account is not in yet --> H["held"]:::waits
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# The solution marks a contact as *active customer* once it has a quote, an order or an invoice. It then travels as a
# customer of party type *Person*; a contact never takes both routes.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
apply = False  # True writes what is planned
tasks = ["contacts", "contact-customers"]
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
# ## Route one: contact persons

# %%
persons = p2c.walk("contacts", session, tasks=tasks, **options)
persons.extract()

# %% [markdown]
# A contact person belongs to a customer by party number, which is the account number.

# %%
persons.map()

# %% [markdown]
# A contact whose account is in quarantine is **held**: it waits, and goes in by itself once the account does.

# %%
persons.check()

# %%
persons.reconcile()

# %%
persons.plan()

# %% [markdown]
# Written only where `apply` is True at the top.

# %%
persons.apply()

# %%
persons.finish()

# %% [markdown]
# ## Route two: customers of their own

# %%
buyers = p2c.walk("contact-customers", session, tasks=tasks, **options)
buyers.extract()

# %% [markdown]
# The contact's number becomes customer account and party number; the party is a person.

# %%
buyers.map()

# %% [markdown]
# Contacts without an address get the template's default country.

# %%
buyers.check()

# %%
buyers.reconcile()

# %%
buyers.plan()

# %% [markdown]
# Written only where `apply` is True at the top.

# %%
buyers.apply()

# %%
buyers.finish()

# %% [markdown]
# ## Look closer
#
# For a person in front of the notebook; unattended runs leave this part out. Click, or walk with the arrow keys and choose
# with Enter. First the gate of the contact persons, then that of the buyers: who waits, and what for. Then every
# difference of the buyers by its cause, and their plan field by field.

# %% tags=["interactive"]
p2c.GateView(persons.check(), session)

# %% tags=["interactive"]
p2c.GateView(buyers.check(), session)

# %% tags=["interactive"]
p2c.ReconciliationExplorer(buyers.reconcile())

# %% tags=["interactive"]
p2c.PlanReview(buyers.plan())

# %% [markdown]
# The same in one line each, as a terminal shows it:

# %% tags=["interactive", "nbval-check-output"]
print(persons.extract(), persons.map(), buyers.extract(), buyers.map(), sep="\n")
