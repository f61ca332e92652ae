"""What MiniStack is taught about Athena, which runs queries on DuckDB; `patches.py` says how lessons are held.

Only for the hub, whose exports are real files: the Athena of the sandboxes is the workload simulator's.
"""

import datetime
import decimal
import json
import logging
import math
import re
import tempfile
from pathlib import Path
from urllib.parse import urlparse

import roles
from ministack.core import iam_actions
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import athena, glue, s3
from patches import seen

# What every query begins with, where the two engines differ: functions of Trino that DuckDB has under another name,
# `element_at`, which there gives a list, and brackets, which there read null for a key that a map lacks. Trino fails.
PRELUDE = """
CREATE TEMP MACRO element_at(m, k) AS map_extract_value(m, k);
CREATE TEMP MACRO json_extract_scalar(j, p) AS json_extract_string(j, p);
CREATE TEMP MACRO stage_subscript(m, k) AS CASE WHEN m IS NULL OR map_contains(m, k) THEN map_extract_value(m, k)
    ELSE error('Key not present in map: ' || k) END;
"""
# Types of the Glue Data Catalog that DuckDB names otherwise; the others have the same name in both.
TYPES = {"string": "VARCHAR", "binary": "BLOB", "map<string,string>": "MAP(VARCHAR, VARCHAR)"}


class Refused(Exception):
    """The query fails for a reason that Athena gives its caller."""


def apply():
    """Teaches every lesson; raises `MiniStackChanged` if one no longer fits."""
    # A query that fails tells whoever asked why.
    athena.logger.setLevel(logging.CRITICAL)
    roles.remember_callers(athena)
    start_queries_in_workgroups()
    name_what_calls_are_about()
    tell_of_tables_that_are_there()
    run_the_sql_of_athena()
    read_what_the_caller_may_read()
    read_columns_as_the_table_declares_them()
    write_results_as_athena_does()


def start_queries_in_workgroups():
    """A query needs a workgroup that is there and enabled, and a bucket for its results; MiniStack asks for neither.

    A workgroup may insist on its own settings:
    https://docs.aws.amazon.com/athena/latest/ug/workgroups-settings-override.html
    """
    start = seen(athena, "_start_query_execution", "405753f7beaf")

    def start_query_execution(data):
        name = data.get("WorkGroup", "primary")
        group = athena._workgroups.get(name)
        if group is None:
            return refusal(f"WorkGroup {name} is not found.")
        if group["State"] == "DISABLED":
            return refusal("WorkGroup is disabled.")
        settings = group.get("Configuration") or {}
        own = (settings.get("ResultConfiguration") or {}).get("OutputLocation")
        asked = (data.get("ResultConfiguration") or {}).get("OutputLocation")
        # A workgroup insists unless it says that it does not.
        place = (own or asked) if settings.get("EnforceWorkGroupConfiguration", True) else (asked or own)
        if place:
            bucket = urlparse(place).netloc
            unknown = bucket not in s3._buckets
            if unknown or roles.refusal_of_caller("athena", "s3:GetBucketLocation", f"arn:aws:s3:::{bucket}"):
                return refusal(f"Unable to verify/create output bucket {bucket}")
            data = data | {"ResultConfiguration": {"OutputLocation": place.rstrip("/") + "/"}}
        return start(data)

    def refusal(message):
        return error_response_json("InvalidRequestException", message, 400)

    athena._start_query_execution = start_query_execution


def name_what_calls_are_about():
    """A call about a query is authorised against the workgroup that it runs in, one about a table of a catalog against
    the catalog; MiniStack names neither.
    """
    named_before = iam_actions.extract_resource_arn

    def resource_arn(service, method, path, headers, body, query_params, region, account_id):
        given = json.loads(body) if service == "athena" and body else {}
        query = athena._executions.get(given.get("QueryExecutionId"))
        if query:
            return f"arn:aws:athena:{region}:{account_id}:workgroup/{query['WorkGroup']}"
        if "CatalogName" in given:
            return f"arn:aws:athena:{region}:{account_id}:datacatalog/{given['CatalogName']}"
        return named_before(service, method, path, headers, body, query_params, region, account_id)

    iam_actions.extract_resource_arn = resource_arn


def run_the_sql_of_athena():
    """Athena speaks Trino's SQL, and DuckDB is taught what it lacks of it; see `PRELUDE`."""
    rewrite = seen(athena, "_rewrite_data_paths", "1437b9af110a")
    references = seen(athena, "_table_references", "f2a468cd12d9")
    seen(athena, "_sql_tokens", "59cb0db485c1")
    seen(athena, "_run_duckdb", "734c2e91cdac")

    async def rewrite_data_paths(query, database, catalog=None):
        for reference in references(query):
            look_up(reference.database or database, reference.table)
        rewritten, *others = await rewrite(with_subscripts(query), database, catalog)
        return PRELUDE + rewritten, *others

    def with_subscripts(query):
        """`tags['owner']` as a call, because brackets mean something else to DuckDB where the key is missing."""
        tokens = list(athena._sql_tokens(query))
        for at in reversed(range(len(tokens) - 3)):
            before, opening, key, closing = tokens[at : at + 4]
            of_map = before[0] in ("name", "qname") and key[0] == "str"
            if of_map and opening[:2] == ("punct", "[") and closing[:2] == ("punct", "]"):
                call = f"stage_subscript({query[before[2]:before[3]]}, {key[1]})"
                query = query[: before[2]] + call + query[closing[3] :]
        return query

    athena._rewrite_data_paths = rewrite_data_paths


def look_up(database, table):
    """Refuses a table that is not there, and one that the caller may not look up in the Glue Data Catalog."""
    found = glue._tables.get(f"{database}/{table}")
    place = f"arn:aws:glue:{get_region()}:{get_account_id()}"
    arns = [f"{place}:catalog", f"{place}:database/{database}", f"{place}:table/{database}/{table}"]
    needed = [("glue:GetDatabase", arns[:2]), ("glue:GetTable", arns)]
    # Partitions that are computed are not looked up:
    # https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
    projected = ((found or {}).get("Parameters") or {}).get("projection.enabled") == "true"
    if found and found.get("PartitionKeys") and not projected:
        needed.append(("glue:GetPartitions", arns))
    for action, resources in needed:
        for resource in resources:
            refused = roles.refusal_of_caller("athena", action, resource)
            if refused:
                raise Refused(f"Insufficient permissions to execute the query. {refused}")
    if found is None:
        raise Refused(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{table}' does not exist")


def tell_of_tables_that_are_there():
    """A table that is not there has no columns; MiniStack tells of one with none, and to whoever asks."""
    tell = seen(athena, "_get_table_metadata", "4b2245fa29f9")

    def get_table_metadata(data):
        try:
            look_up(data["DatabaseName"], data["TableName"])
        except Refused as refused:
            return error_response_json("MetadataException", str(refused), 400)
        return tell(data)

    athena._get_table_metadata = get_table_metadata


def read_what_the_caller_may_read():
    """Athena reads the files of a table with the rights of whoever asks."""
    seen(athena, "_materialize_table_files", "e4f134f666f9")

    def materialize_table_files(location, workdirs):
        place = urlparse(location)
        bucket, prefix = place.netloc, place.path.strip("/") + "/"
        objects = (s3._buckets.get(bucket) or {"objects": {}})["objects"]
        ask(location, "s3:ListBucket", f"arn:aws:s3:::{bucket}", prefix=prefix)
        keys = sorted(key for key in objects if key.startswith(prefix) and not key.endswith("/"))
        root = Path(tempfile.mkdtemp(prefix="stage-athena-"))
        workdirs.append(root)
        files = []
        for key in keys:
            relative = key.removeprefix(prefix)
            if athena._hidden(relative):
                continue
            ask(f"s3://{bucket}/{key}", "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
            # The Data Catalog has partition keys in lower case, whatever the folders say.
            file = root / re.sub(r"[^/=]+=", lambda name: name[0].lower(), relative)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(s3._get_object_data(bucket, key))
            files.append(str(file))
        return files

    def ask(what, action, resource, **keys):
        if roles.refusal_of_caller("athena", action, resource, **keys):
            raise Refused(f"PERMISSION_DENIED: Access Denied on {what}, {action}")

    athena._materialize_table_files = materialize_table_files


def read_columns_as_the_table_declares_them():
    """A table of Parquet files has the columns it declares: what files lack is null, and others are not seen."""
    relation_of = seen(athena, "_table_relation", "a1a2686723d2")
    seen(athena, "_empty_relation", "9b6b848915d9")

    def table_relation(table, files):
        relation = relation_of(table, files)
        if athena._data_format(table) != "parquet":
            return relation
        every = f"SELECT * FROM {relation} UNION ALL BY NAME SELECT * FROM {empty_relation(table)}"
        # A timestamp of Parquet may carry a zone, which Athena drops.
        return f"(SELECT {cast(table, lambda name: name)} FROM ({every}))"

    def empty_relation(table):
        return f"(SELECT {cast(table, lambda _: 'NULL')} WHERE false)"

    def cast(table, value_of):
        columns = [('"' + name.replace('"', '""') + '"', kind) for name, kind in declared(table)]
        return ", ".join(f"CAST({value_of(name)} AS {TYPES.get(kind, kind)}) AS {name}" for name, kind in columns)

    athena._table_relation = table_relation
    athena._empty_relation = empty_relation


def declared(table):
    """The names and types of a table's columns, those of its partitions last."""
    columns = table["StorageDescriptor"].get("Columns", []) + table.get("PartitionKeys", [])
    return [(column["Name"], column.get("Type", "string").replace(" ", "").lower()) for column in columns]


def write_results_as_athena_does():
    """The result lies where the query says, every value in quotes, and a null as nothing at all.

    MiniStack writes it below a folder of that name, and words numbers and times as Python does.
    """
    seen(athena, "_save_query_results", "4ff2ac770a74")
    seen(athena, "_datum_text", "090aa4323525")

    async def save_query_results(query_id):
        execution = athena._executions[query_id]
        results = execution["_results"]
        place = urlparse(execution["ResultConfiguration"]["OutputLocation"])
        bucket, key = place.netloc, place.path.lstrip("/")
        if roles.refusal_of_caller("athena", "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
            raise Refused(f"Access denied when writing output to url: {place.geturl()}.")
        rows = [results["columns"], *results["rows"]]
        body = "".join(",".join(map(field, row)) + "\n" for row in rows).encode()
        s3._put_object(bucket, key, body, {"content-type": "text/csv", "content-length": str(len(body))})

    def field(value):
        return "" if value is None else '"' + worded(value).replace('"', '""') + '"'

    def worded(value):
        match value:
            case bool():
                return str(value).lower()
            case decimal.Decimal():
                return f"{value:f}"
            case datetime.datetime():
                return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03}"
            case float():
                return trino_double(value)
            case _:
                return str(value)

    def trino_double(value):
        """As Java words it: plain between 0.001 and ten million, otherwise with an exponent such as in `1.81E-8`."""
        if value == 0 or 1e-3 <= abs(value) < 1e7 or not math.isfinite(value):
            return repr(value)
        sign, digits, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
        fraction = "".join(map(str, digits[1:])) or "0"
        return f"{'-' * sign}{digits[0]}.{fraction}E{exponent + len(digits) - 1}"

    athena._save_query_results = save_query_results
    athena._datum_text = worded
