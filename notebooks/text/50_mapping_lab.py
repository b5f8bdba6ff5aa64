# %% [markdown]
# # Mapping lab
#
# **What does a rule do to real records, and what would another rule do?**
#
# ```mermaid
# %%{init: {"theme": "base", "themeVariables": {"lineColor": "#818b98", "edgeLabelBackground": "#f6f8fa", "textColor": "#1f2328"}}}%%
# flowchart LR
#   S["<b>Sales</b><br/>accounts"]:::sales --> R["<b>rule by rule</b><br/>copy, default, value map,<br/>country code ..."] --> F["<b>F&O</b><br/>CustomersV2"]:::finops --> C["what changes,<br/>and how often"]
#   C -- edit a rule, look again --> R
#   C -- save --> T["template as a file"]:::waits
#   classDef default fill:#eaeef2,stroke:#818b98,color:#1f2328
#   classDef sales fill:#ddf4ff,stroke:#0969da,color:#1f2328
#   classDef finops fill:#fbefff,stroke:#8250df,color:#1f2328
#   classDef waits fill:#fff8c5,stroke:#bf8700,color:#1f2328
# ```
#
# For the person who owns the mapping document. Nothing is written to either system here; a template is kept as YAML in
# the workspace, and only when you save it.

# %% tags=["parameters"]
connection_set = "sandbox"  # a connection set of p2c.toml
company = ""  # the F&O company; empty: the connection set's
task = "accounts"
limit = 100_000  # read at most so many source rows
column = "AddressCountryRegionISOCode"  # the column whose rule is tried below
rule = "{from: address1_country, apply: [{country_code: iso2}], default: US}"

# %%
import p2c_lib as p2c

session = p2c.connect(connection_set, company=company)
lab = p2c.MappingLab(session, task, limit=limit)
lab.template

# %% [markdown]
# ## Before any data moves
#
# Both systems' own metadata are asked whether this template can work at all. The codes are those of Data Integrator's
# project validation, so that you can look them up; LENGTH, PARENT and REFERENCE are ours.

# %%
lab.validation()

# %% [markdown]
# ## Every rule on every row
#
# How many rows have a value before and after, what the default filled, the longest text against what the column holds,
# and the values no rule could convert.

# %%
lab.coverage()

# %% [markdown]
# ## What would another rule do?
#
# The rule from the parameters takes the place of the template's. Nothing else changes. The list shows the values that
# come out otherwise than before, commonest first.

# %%
lab.edit(column, rule)
change = lab.change()
change

# %% tags=["nbval-check-output"]
print(f"{change.changed:,} of {change.rows:,} rows come out otherwise")

# %% [markdown]
# A rule that is wrong says so and changes nothing: here a step is misspelt.

# %%
lab.edit(column, rule.replace("country_code", "contry_code"))
print(lab.error or "This rule has no step to misspell.")

# %% [markdown]
# Saving keeps the edited template in the workspace. Under the task's own name it would go before the packaged one in
# every later run; under another name, as here, it waits until you ask for it.

# %%
draft = lab.save(f"{task}-draft.yml")
p2c.diff(p2c.template(task), p2c.template(draft))

# %% [markdown]
# ## Do it yourself
#
# Click a rule, or walk with the arrow keys and press Enter. Change its line, press Ctrl+Enter: validation and the rows
# that change follow at once. *Save* keeps the template for later runs. Unattended runs and printed notebooks show the
# same content as plain tables.

# %% tags=["interactive"]
explorer = p2c.MappingExplorer(session, task, limit=limit)
explorer

# %% tags=["interactive"]
p2c.diff(lab.original, explorer.template)

# %% [markdown]
# ## What the data itself suggests
#
# Forget the template: which columns belong together, judged by their names, their values and the rows that both systems
# already share? These are proposals with their evidence. None is applied; a person decides.

# %%
found = lab.suggestions()
found

# %% [markdown]
# Value maps are learned from rows that are paired by key. The first entries of each:

# %%
{one.to: dict(pair[:2] for pair in one.value_map[:6]) for one in found.best if one.value_map}

# %% [markdown]
# ## The document to hand over
#
# The same mapping as a page that people read. `.xlsx` makes a workbook, `.json` a dual-write map, by the name of the file.

# %%
document = p2c.export(lab.original, session.workspace.state / f"{task}-mapping.md")
print(document.read_text("utf-8")[:1200])

# %%
session.close()
