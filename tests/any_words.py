"""The words of both systems that requests are made of: names, literals, operators, options, headers, elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GUIDS = ("11111111-2222-4333-8444-555555555555", "00000000-0000-0000-0000-000000000000")
LITERALS = (
    "1", "-1", "0", "null", "true", "false", "'a'", "''", "'O''Neil'", "1.5", "-1.5e9", "1e400", "1e-400", "9" * 19,
    "9" * 60, "-9223372036854775808", "9223372036854775808", "1.0000000000000000000000001m", "2026-01-31",
    "2026-01-31T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9999999-14:00", "2026-13-01",
    "datetime'2026-01-01'", "guid'11111111-2222-4333-8444-555555555555'", "binary'AA=='", "duration'P1D'", "NaN",
    "INF", "'%'", "'[a-'", "'[^]%_'", "'*'", "'" + "*a" * 40 + "'", "'" + "%a" * 40 + "'",
    "'\u00e9\u0301\u1e9e\uff21'", "'\U0001f6d2'", "'\x00'", "'\ud800'", "['a','b']", '["a",1,null,{"b":[]}]', "[1,2",
    "@p1", "@p2", *GUIDS, "Microsoft.Dynamics.DataEntities.NoYes'Yes'", "Microsoft.Dynamics.DataEntities.NoYes'Maybe'",
    "Edm.String",
)  # fmt: skip
OPERATORS = ("eq", "ne", "gt", "ge", "lt", "le", "in", "has", "and", "or")
CALCULATED = ("add", "sub", "mul", "div", "divby", "mod")
FUNCTIONS = (
    "contains", "startswith", "endswith", "length", "indexof", "substring", "tolower", "toupper", "trim", "concat",
    "year", "month", "day", "hour", "minute", "second", "now", "date", "round", "floor", "ceiling", "cast", "isof",
    "geo.distance", "matchesPattern", "substringof",
)  # fmt: skip
CRM = (
    "In", "NotIn", "Between", "NotBetween", "On", "OnOrAfter", "Today", "LastXDays", "NextXYears", "OlderThanXMinutes",
    "EqualUserId", "Under", "Above", "ContainValues", "Contains", "EqualUserLanguage", "LastXFiscalYears", "Nothing",
)  # fmt: skip
SALES_SETS = ("accounts", "contacts", "quotes", "quotedetails", "products", "nothings", "systemusers")
SALES_COLUMNS = (
    "name", "accountid", "accountnumber", "revenue", "numberofemployees", "createdon", "statecode", "statuscode",
    "donotemail", "_primarycontactid_value", "primarycontactid", "_ownerid_value", "description", "exchangerate",
    "industrycode", "address1_city", "contactid", "fullname", "quoteid", "quantity", "versionnumber", "nothing",
)  # fmt: skip
NAVIGATIONS = (
    "primarycontactid", "contact_customer_accounts", "parentaccountid", "account_parent_account", "ownerid",
    "transactioncurrencyid", "quote_details", "parentcustomerid_account", "customerid_account", "owninguser",
    "nothing",
)  # fmt: skip
FINOPS_SETS = ("CustomersV2", "Currencies", "CDSSalesQuotationHeaders", "CDSSalesQuotationLines", "Nothings")
FINOPS_COLUMNS = (
    "dataAreaId", "CustomerAccount", "OrganizationName", "CreditLimit", "PartyType", "PersonGender", "CurrencyCode",
    "AddressValidFrom", "SalesQuotationNumber", "Name", "CustomerGroupId", "LineCreationSequenceNumber", "Nothing",
    "RequestedShippingDate",
)  # fmt: skip
FINOPS_EXPANDS = ("SalesQuotationLines", "CDSSalesQuotationLines", "Customer", "Nothing")


@dataclass(frozen=True, slots=True)
class Place:
    """An entity set with some of its columns by the kind of their values, and ways from it to others."""

    name: str
    columns: Mapping[str, str]
    one: tuple[str, ...] = ()
    many: tuple[str, ...] = ()


SALES_PLACES = (
    Place(
        "accounts",
        {"name": "text", "accountnumber": "text", "description": "text", "revenue": "number", "exchangerate": "number",
         "numberofemployees": "number", "createdon": "moment", "donotemail": "bool", "statecode": "number",
         "accountid": "guid", "_primarycontactid_value": "guid", "versionnumber": "number",
         "address1_latitude": "number", "industrycode": "number", "new_interests": "text"},
        ("primarycontactid", "parentaccountid", "transactioncurrencyid", "owninguser"),
        ("contact_customer_accounts", "account_parent_account", "quote_customer_accounts"),
    ),
    Place(
        "contacts",
        {"fullname": "text", "description": "text", "createdon": "moment", "birthdate": "day", "statecode": "number",
         "creditlimit": "number", "contactid": "guid"},
        ("parentcustomerid_account", "parentcustomerid_contact", "transactioncurrencyid", "ownerid"),
        ("account_primary_contact", "contact_customer_contacts", "quote_customer_contacts"),
    ),
    Place(
        "quotes",
        {"name": "text", "quotenumber": "text", "totalamount": "number", "effectivefrom": "moment", "expireson": "day",
         "willcall": "bool", "statuscode": "number", "quoteid": "guid", "discountpercentage": "number"},
        ("customerid_account", "pricelevelid", "transactioncurrencyid"),
        ("quote_details",),
    ),
    Place("products", {"name": "text", "price": "number", "productid": "guid"}, ("defaultuomid",)),
)  # fmt: skip
FINOPS_PLACES = (
    Place(
        "CustomersV2",
        {"CustomerAccount": "text", "OrganizationName": "text", "dataAreaId": "text", "CreditLimit": "number",
         "PersonAnniversaryYear": "number", "AddressValidTo": "moment", "IsFuelSurchargeApplied": "choice"},
    ),
    Place(
        "CDSSalesQuotationLines",
        {"SalesQuotationNumber": "text", "LineCreationSequenceNumber": "number", "LineDiscountAmount": "number",
         "DeliveryPostalAddressRecId": "number", "AreTotalsCalculated": "choice", "RequestedShippingDate": "moment"},
    ),
    Place("Currencies", {"CurrencyCode": "text", "Name": "text", "GeneralRoundingRule": "number"}),
)  # fmt: skip
FITTING = {
    "text": ("'a'", "'A\u00c4'", "''", "'US-001'", "'%'", "'[a-c]%'", "'[^'", "'O''Neil'", "'x*'", "'\u00df'", "null"),
    "number": ("0", "1", "-1.5", "1e3", "9223372036854775808", "9" * 40, "0.0000000001", "null", "1e-50", "1e59"),
    "moment": ("2026-01-31T00:00:00Z", "2026-01-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "null"),
    "day": ("2026-01-31", "2026-01-31T10:00:00Z", "null"),
    "bool": ("true", "false", "null"),
    "guid": (*GUIDS, "'11111111-2222-4333-8444-555555555555'", "null"),
    "choice": ("Microsoft.Dynamics.DataEntities.NoYes'Yes'", "Microsoft.Dynamics.DataEntities.NoYes'1'"),
}  # fmt: skip
OPTION_NAMES = (
    "$select", "$filter", "$orderby", "$top", "$skip", "$count", "$expand", "$apply", "$search", "$compute", "$format",
    "$skiptoken", "$deltatoken", "$levels", "$index", "$schemaversion", "$id", "cross-company", "fetchXml", "sql",
    "savedQuery", "userQuery", "@p1", "@p2", "$SELECT", "filter", "api-version", "",
)  # fmt: skip
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "MERGE", "TRACE", "get", "B\u00c4D")
HEADERS = (
    "prefer", "if-match", "if-none-match", "accept", "content-type", "content-id", "odata-version", "odata-maxversion",
    "accept-encoding", "content-encoding", "x-http-method-override", "mscrm.bypasscustompluginexecution",
    "mscrm.suppressduplicatedetection", "mscrmcallerid", "cookie", "range", "expect", "accept-language",
    "if-modified-since", "transfer-encoding", "consistency", "x-forwarded-host", "origin",
)  # fmt: skip
HEADER_VALUES = (
    "", "*", "null", 'W/"1"', 'W/"', '"x"', "return=representation", "odata.maxpagesize=1", "odata.maxpagesize=0",
    "odata.maxpagesize=" + "9" * 40, "odata.maxpagesize=\u00b2", 'odata.include-annotations="*"',
    'odata.include-annotations="a*,-b"', "odata.track-changes", "odata.continue-on-error, respond-async", 'a="', ",;=",
    "application/json", "application/json;odata.metadata=full;IEEE754Compatible=true",
    "application/json;odata.metadata=none", "application/xml", "text/plain; charset=utf-16", "multipart/mixed",
    "multipart/mixed;boundary=", "gzip", "bytes=0-1", "true", "\u00e9\u00ff", "a" * 5000, "ARRAffinity=x; y", "4.01",
    "identity",
)  # fmt: skip
SALES_WORDS = (
    "$metadata", "$batch", "$count", "$ref", "$value", "$entity", "$all", "$1", "WhoAmI", "WhoAmI()",
    "RetrieveTotalRecordCount(EntityNames=['account'])", "RetrieveTotalRecordCount(EntityNames=@p1)",
    "EntityDefinitions", "EntityDefinitions(LogicalName='account')", "Attributes", "Attributes(LogicalName='name')",
    "Keys", "OptionSet", "Microsoft.Dynamics.CRM.PicklistAttributeMetadata", "ManyToOneRelationships",
    "RelationshipDefinitions", "GlobalOptionSetDefinitions", "GlobalOptionSetDefinitions(Name='x')",
    "sdkmessagefilters", "sdkmessages", "solutions", "Microsoft.Dynamics.CRM.CreateMultiple",
    "Microsoft.Dynamics.CRM.UpsertMultiple", "BulkDelete", "WinQuote", "ReviseQuote", "CloseQuote",
    "RetrieveVersion()", "RetrieveMetadataChanges(Query=@p1)", "..", ".", "%2F", "%00", "%", "%zz", "%c3%28", "\u00e9",
    "name", "(", ")", "('", "primarycontactid", "contact_customer_accounts", ";", "//",
)  # fmt: skip
FINOPS_WORDS = (
    "$metadata", "$batch", "$count", "$ref", "$value", "..", "%2F", "%252F", "%00", "%", "%zz", "\u00e9", "(", ")",
    "('", "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.ImportFromPackage",
    "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.ExportToPackage",
    "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.GetExecutionSummaryStatus",
    "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.GetAzureWriteUrl",
    "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.GetExecutionErrors",
    "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.Nothing", "OrganizationName",
    "../metadata/DataEntities", "../metadata/PublicEntities('CustomersV2')", "../metadata/PublicEnumerations",
    "../metadata/Labels(Id='x',Language='y')", "../metadata/", "../dmf/x",
    "CustomersV2/Microsoft.Dynamics.DataEntities.Nothing",
)  # fmt: skip
TAGS = ("fetch", "entity", "attribute", "all-attributes", "filter", "condition", "link-entity", "order", "value", "x")
ATTRIBUTES = (
    "name", "from", "to", "alias", "operator", "attribute", "value", "count", "page", "aggregate", "groupby",
    "distinct", "dategrouping", "link-type", "type", "entityname", "top", "descending", "returntotalrecordcount",
    "paging-cookie",
)  # fmt: skip
XML_WORDS = (
    "account", "contact", "name", "accountid", "primarycontactid", "contactid", "eq", "in", "like", "between", "null",
    "last-x-days", "under", "true", "5", "-1", "9" * 30, "today", "", "sum", "avg", "count", "countcolumn", "year",
    "quarter", "or", "outer", "inner", "any", "not any", "createdon", "revenue", "&lt;", "&#0;", "&x;", "n",
)  # fmt: skip
SQL_WORDS = (
    "SELECT", "DISTINCT", "TOP", "name", "a.name", "account", "FROM", "FROM account", "a", "INNER JOIN", "LEFT JOIN",
    "contact", "ON", "=", "WHERE", "(", ")", "LIKE", "'%a%'", "N'x'", "IN", "BETWEEN", "AND", "OR", "NOT", "IS",
    "NULL", "GROUP BY", "ORDER BY", "DESC", "COUNT(*)", "SUM(", "MAX(revenue)", "AS n", "5", "9999999999",
    "OFFSET 1 ROWS", "FETCH NEXT 5 ROWS ONLY", ",", "*", "--", ";", "1.5", "[name]", "<>", "revenue", "createdon",
)  # fmt: skip
SENT: Mapping[str, tuple[object, ...]] = {
    "text": ("a", "", " ", "US-001", "\u00c4", "a" * 300, None),
    "number": (0, 1, -1.5, 1e12, 2**40, None),
    "moment": ("2026-01-31T00:00:00Z", "2026-01-31", "1752-01-01T00:00:00Z", None),
    "day": ("2026-01-31", None),
    "bool": (True, False, None),
    "guid": (*GUIDS, None),
    "choice": ("Yes", "No", "yes", 1),
}
PACKAGED = (
    "packageUrl", "definitionGroupId", "executionId", "execute", "overwrite", "legalEntityId", "uniqueFileName",
    "packageName", "reExecute", "entityName", "exportPreviewCount",
)  # fmt: skip
PACKAGE_ACTIONS = (
    "ImportFromPackage", "ExportToPackage", "ExportToPackagePreview", "GetAzureWriteUrl", "GetExecutionSummaryStatus",
    "GetExecutionErrors", "GetExportedPackageUrl", "GetEntityExecutionSummaryStatusList",
    "GetImportTargetErrorKeysFileUrl",
    "GenerateImportTargetErrorKeysFile", "ImportFromPackageAsync", "GetMessageStatus",
)  # fmt: skip
# Rows that the planted company has.
SALES_ROWS: Mapping[str, tuple[str, ...]] = {
    "accounts": ("a0000000-0000-4000-8000-1618e3471444", "a0000000-0001-4000-8000-31eeb19bdf9c"),
    "contacts": ("c0000000-0000-4000-8000-acc8e01d6c9d", "c0000000-0001-4000-8000-f8d540a12579"),
    "quotes": ("d0000000-0000-4000-8000-74e76f3ed0bd", "d0000000-0001-4000-8000-c98ffefa41bf"),
    "quotedetails": ("e0000000-0000-4000-8000-062354fb4ed1",),
    "products": ("b0000000-0000-4000-8000-35f3559d98eb", "b0000000-0001-4000-8000-e845164fe70c"),
    "uoms": ("512d574c-354b-5e04-87f2-4da0f7cf8ea5",),
    "systemusers": ("a1e92dc3-654e-5361-962c-ec5b164aca4e",),
    "organizations": ("00e77b3b-5514-507e-9208-b39b4491b114",),
}
OPERATIONS = (
    "PublishProductHierarchy", "RevertProduct", "CreateMultiple", "UpdateMultiple", "UpsertMultiple", "DeleteMultiple",
    "RetrievePrincipalAccess(Target=@p1)", "WhoAmI", "WinQuote", "CloseQuote", "ReviseQuote", "BulkDelete", "Merge",
    "AddToQueue", "RetrieveVersion()", "RetrieveMetadataChanges(Query=@p1)", "Nothing",
)  # fmt: skip
FORM = ("grant_type", "client_id", "client_secret", "scope", "resource", "username", "client_assertion", "")
CALLED = (
    "RetrieveMetadataChanges(Query=@p1,ClientVersionStamp=@p2)", "RetrieveMetadataChanges(Query=@p1)",
    "RetrieveTotalRecordCount(EntityNames=@p1)", "RetrieveTotalRecordCount(EntityNames=@p2)", "RetrieveVersion()",
    "RetrieveCurrentOrganization(AccessType=@p2)", "RetrieveTimestamp()", "WhoAmI()", "Nothing(X=@p1)",
)  # fmt: skip
DEFINED = ("LogicalName", "SchemaName", "IsActivity", "ObjectTypeCode", "DisplayName", "Attributes", "Nothing", "")
