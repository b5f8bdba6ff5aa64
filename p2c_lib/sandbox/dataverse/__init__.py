"""The Dataverse side: the Sales tables behind the Web API, as a client meets it."""
