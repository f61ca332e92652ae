"""Writes the export that the bench reads: a month of CUR 2.0 with all of its columns, as wide and varied as real ones.

    lines.py LINES FILE

FILE ends with `.parquet` or with `.csv.gz`. DuckDB makes the lines up: 250 accounts, 200,000 resources, 1,500 kinds of
usage of 40 services, each hour of a month, in no order, as AWS delivers them. A line's cost is rate times usage; four
in five are rounded to ten decimals, as AWS rounds most, and the others have the 17 digits of a double. pyarrow writes
Parquet as AWS's exports are written: snappy, pages of 1 MiB, dictionaries until they outgrow 1 MiB, timestamps in
milliseconds. Row groups have a million lines, which is near the 128 MiB of Hadoop's writers. So many lines are always
the same lines.

The columns are those of AWS's table dictionary, split cost allocation included:
https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html
"""

import os
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

GROUP = 1_000_000
ACCOUNTS, KINDS, RESOURCES, HOURS = 250, 1_500, 200_000, 30 * 24

SERVICES = [
    "AmazonEC2", "AmazonS3", "AmazonSageMaker", "ElasticMapReduce", "AWSGlue", "AmazonAthena", "AmazonRDS", "AmazonVPC",
    "AmazonCloudWatch", "AWSLambda", "AmazonDynamoDB", "AmazonRedshift", "AmazonECS", "AmazonEKS", "AWSELB", "awskms",
    "AmazonSNS", "AWSQueueService", "AmazonKinesis", "AmazonKinesisFirehose", "AmazonMSK", "AmazonES",
    "AmazonElastiCache", "AmazonEFS", "AmazonFSx", "AWSBackup", "AWSCloudTrail", "AWSConfig", "AmazonGuardDuty",
    "AWSSecurityHub", "AWSSecretsManager", "AmazonStates", "AWSEvents", "AmazonApiGateway", "AmazonRoute53",
    "AmazonQuickSight", "AmazonBedrock", "AWSLakeFormation", "AWSDataTransfer", "AWSSupportBusiness",
]  # fmt: skip

# Columns that a sandbox's lines leave empty unless it bought a commitment or splits its containers' cost.
EMPTY_TEXT = """
    line_item_tax_type pricing_lease_contract_length pricing_offering_class pricing_purchase_option product_comment
    product_fee_code product_fee_description product_from_location product_from_location_type product_from_region_code
    product_to_location product_to_location_type product_to_region_code reservation_availability_zone
    reservation_end_time reservation_modification_status reservation_normalized_units_per_reservation
    reservation_number_of_reservations reservation_start_time reservation_subscription_id
    reservation_total_reserved_normalized_units reservation_total_reserved_units reservation_units_per_reservation
    savings_plan_end_time savings_plan_instance_type_family savings_plan_offering_type savings_plan_payment_option
    savings_plan_purchase_term savings_plan_region savings_plan_start_time split_line_item_parent_resource_id
""".split()
EMPTY_NUMBERS = """
    discount_bundled_discount discount_total_discount line_item_normalization_factor line_item_normalized_usage_amount
    reservation_amortized_upfront_cost_for_usage reservation_amortized_upfront_fee_for_billing_period
    reservation_net_amortized_upfront_cost_for_usage reservation_net_amortized_upfront_fee_for_billing_period
    reservation_net_recurring_fee_for_usage reservation_net_unused_amortized_upfront_fee_for_billing_period
    reservation_net_unused_recurring_fee reservation_net_upfront_value reservation_recurring_fee_for_usage
    reservation_unused_amortized_upfront_fee_for_billing_period reservation_unused_normalized_unit_quantity
    reservation_unused_quantity reservation_unused_recurring_fee reservation_upfront_value
    savings_plan_amortized_upfront_commitment_for_billing_period
    savings_plan_net_amortized_upfront_commitment_for_billing_period
    savings_plan_net_recurring_commitment_for_billing_period savings_plan_recurring_commitment_for_billing_period
    savings_plan_savings_plan_rate savings_plan_total_commitment_to_date savings_plan_used_commitment
    split_line_item_actual_usage split_line_item_net_split_cost split_line_item_net_unused_cost
    split_line_item_public_on_demand_split_cost split_line_item_public_on_demand_unused_cost
    split_line_item_reserved_usage split_line_item_split_cost split_line_item_split_usage
    split_line_item_split_usage_ratio split_line_item_unused_cost
""".split()

# A share between 0 and 1 that looks random and is always the same.
SHARE = "CREATE MACRO share(seed, salt) AS (hash(seed * 64 + salt) % 1000000007) / 1000000007.0::DOUBLE"

KIND = f"""
CREATE TABLE kind AS SELECT
    number AS kind,
    list_extract({SERVICES!r}, 1 + least(39, floor(40 * share(number, 1) * share(number, 2))::INTEGER)) AS service,
    'EUW1-' || list_extract(['BoxUsage:m7i.', 'Requests-Tier', 'Transfer-', 'Storage-', 'DPU-Hour-'], 1 + number % 5)
        || (number // 5) AS usage_type,
    list_extract(['RunInstances', 'GetObject', 'RunTask', 'StartQueryExecution', 'Jobrun'], 1 + number % 5)
        || ':' || number // 40 AS operation,
    list_extract(['Hrs', 'Requests', 'GB', 'GB-Mo', 'DPU-Hour'], 1 + number % 5) AS unit,
    list_extract(['Compute Instance', 'API Request', 'Data Transfer', 'Storage', 'Serverless'], 1 + number % 5)
        AS family,
    round(pow(10, 2 - 7 * share(number, 3)), 10) AS rate,
    upper(substr(md5(number::VARCHAR), 1, 16)) AS sku,
    'm7i.' || list_extract(['large', 'xlarge', '2xlarge', '4xlarge'], 1 + number % 4) AS instance_type
FROM range({KINDS}) AS numbers(number)"""

RESOURCE = f"""
CREATE TABLE resource AS SELECT
    number AS resource,
    floor({ACCOUNTS} * share(number, 1) * share(number, 2))::BIGINT AS sandbox,
    (100000000000 + hash(sandbox) % 899999999999)::VARCHAR AS account,
    'sandbox-' || sandbox AS account_name,
    floor({KINDS} * pow(share(number, 3), 2))::INTEGER AS kind,
    'eu-west-1' || list_extract(['a', 'b', 'c'], 1 + number % 3) AS zone,
    md5(number::VARCHAR) AS name,
    CASE WHEN share(number, 4) < 0.3 THEN MAP {{}} ELSE MAP {{
        'user_owner': 'analyst-' || floor(3000 * share(number, 5))::INTEGER,
        'user_cost_center': 'cc-' || floor(80 * share(number, 6))::INTEGER,
        'user_project': 'project-' || floor(600 * share(number, 7))::INTEGER,
        'aws_created_by': 'AssumedRole:AROA' || upper(substr(md5((number % 5000)::VARCHAR), 1, 16))
    }} END AS tags
FROM range({RESOURCES}) AS numbers(number)"""


def columns():
    """Every column of CUR 2.0 by its name, as an expression over `line`, `resource` and `kind`."""
    covered = "CASE type WHEN 'SavingsPlanCoveredUsage' THEN {} END"
    reserved = "CASE type WHEN 'DiscountedUsage' THEN {} END"
    covered_cost, reserved_cost = covered.format("round(cost * 0.72, 10)"), reserved.format("round(cost * 0.63, 10)")
    found = {
        "bill_bill_type": "'Anniversary'",
        "bill_billing_entity": "'AWS'",
        "bill_billing_period_end_date": "TIMESTAMP '2026-12-01'",
        "bill_billing_period_start_date": "TIMESTAMP '2026-11-01'",
        "bill_invoice_id": "'EUINGB26-' || (number % 3)",
        "bill_invoicing_entity": "'Amazon Web Services EMEA SARL'",
        "bill_payer_account_id": "'123456789012'",
        "bill_payer_account_name": "'bank-payer'",
        "cost_category": "MAP {'business_unit': 'unit-' || sandbox % 12}",
        "discount": "MAP {}::MAP(VARCHAR, DOUBLE)",
        "identity_line_item_id": "md5(number::VARCHAR) || substr(md5((number + 1)::VARCHAR), 1, 20)",
        "identity_time_interval": "strftime(begins, '%Y-%m-%dT%H:%M:%SZ/') || strftime(ends, '%Y-%m-%dT%H:%M:%SZ')",
        "line_item_availability_zone": "zone",
        "line_item_blended_cost": "cost",
        "line_item_blended_rate": "rate::VARCHAR",
        "line_item_currency_code": "'USD'",
        "line_item_iam_principal": "NULL::VARCHAR",
        "line_item_legal_entity": "'Amazon Web Services EMEA SARL'",
        "line_item_line_item_description": "'$' || rate || ' per ' || unit || ' in EU (Ireland), ' || usage_type",
        "line_item_line_item_type": "type",
        "line_item_net_unblended_cost": "round(cost * 0.91, 10)",
        "line_item_net_unblended_rate": "(rate * 0.91)::VARCHAR",
        "line_item_operation": "operation",
        "line_item_product_code": "service",
        "line_item_resource_id": "'arn:aws:' || lower(service) || ':eu-west-1:' || account || ':resource/' || name",
        "line_item_unblended_cost": "cost",
        "line_item_unblended_rate": "rate::VARCHAR",
        "line_item_usage_account_id": "account",
        "line_item_usage_account_name": "account_name",
        "line_item_usage_amount": "used",
        "line_item_usage_end_date": "ends",
        "line_item_usage_start_date": "begins",
        "line_item_usage_type": "usage_type",
        "line_item_user_identifier": "NULL::VARCHAR",
        "pricing_currency": "'USD'",
        "pricing_public_on_demand_cost": "cost",
        "pricing_public_on_demand_rate": "rate::VARCHAR",
        "pricing_rate_code": "sku || '.JRTCKXETXF.' || substr(sku, 1, 10)",
        "pricing_rate_id": "(20000000000 + kind)::VARCHAR",
        "pricing_term": "CASE type WHEN 'DiscountedUsage' THEN 'Reserved' ELSE 'OnDemand' END",
        "pricing_unit": "unit",
        "product": """MAP {'product_name': service || ' for analytics', 'region': 'eu-west-1', 'group': family,
            'operating_system': 'Linux', 'tenancy': 'Shared', 'current_generation': 'Yes', 'vcpu': '4',
            'memory': '16 GiB', 'physical_processor': 'Intel Xeon Scalable', 'instance_type_family': 'm7i',
            'network_performance': 'Up to 12500 Megabit'}""",
        "product_instance_family": "'General purpose'",
        "product_instance_type": "instance_type",
        "product_instancesku": "sku",
        "product_location": "'EU (Ireland)'",
        "product_location_type": "'AWS Region'",
        "product_operation": "operation",
        "product_pricing_unit": "unit",
        "product_product_family": "family",
        "product_region_code": "'eu-west-1'",
        "product_servicecode": "service",
        "product_sku": "sku",
        "product_usagetype": "usage_type",
        "reservation_effective_cost": reserved_cost,
        "reservation_net_effective_cost": reserved_cost,
        "reservation_reservation_a_r_n": reserved.format("'arn:aws:ec2:eu-west-1:1:ri/' || kind"),
        "resource_tags": "tags",
        "savings_plan_net_savings_plan_effective_cost": covered_cost,
        "savings_plan_savings_plan_a_r_n": covered.format("'arn:aws:savingsplans::1:savingsplan/7'"),
        "savings_plan_savings_plan_effective_cost": covered_cost,
        **dict.fromkeys(EMPTY_TEXT, "NULL::VARCHAR"),
        **dict.fromkeys(EMPTY_NUMBERS, "NULL::DOUBLE"),
    }
    return dict(sorted(found.items()))


def query(first, last):
    """The lines from the first to before the last."""
    chosen = ", ".join(f"{expression} AS {name}" for name, expression in columns().items())
    return f"""
WITH drawn AS (
    SELECT number, share(number, 1) AS kind_of_line, share(number, 2) AS rounding,
        floor({RESOURCES} * pow(share(number, 3), 1.5))::INTEGER AS resource,
        TIMESTAMP '2026-11-01' + to_hours(floor({HOURS} * share(number, 4))::BIGINT) AS begins,
        CASE WHEN share(number, 5) < 0.4 THEN 1 ELSE share(number, 6) * pow(10, 6 * share(number, 7) - 3) END AS used
    FROM range({first}, {last}) AS numbers(number)
), line AS (
    SELECT *, begins + INTERVAL 1 HOUR AS ends, CASE
        WHEN kind_of_line < 0.85 THEN 'Usage' WHEN kind_of_line < 0.91 THEN 'SavingsPlanCoveredUsage'
        WHEN kind_of_line < 0.97 THEN 'SavingsPlanNegation' WHEN kind_of_line < 0.99 THEN 'DiscountedUsage'
        WHEN kind_of_line < 0.995 THEN 'Tax' ELSE 'Credit' END AS type
    FROM drawn
), priced AS (
    SELECT line.*, resource.* EXCLUDE (resource, kind), kind.*,
        CASE WHEN rounding < 0.8 THEN round(used * rate, 10) ELSE used * rate END
            * CASE WHEN type IN ('SavingsPlanNegation', 'Credit') THEN -1 ELSE 1 END AS cost
    FROM line JOIN resource USING (resource) JOIN kind ON resource.kind = kind.kind
)
SELECT {chosen} FROM priced"""


def connected():
    """DuckDB, with what the lines are drawn from."""
    database = duckdb.connect(config={"threads": 2})
    for statement in (SHARE, KIND, RESOURCE):
        database.execute(statement)
    return database


def write_parquet(database, lines, path):
    """Writes Parquet, one row group after the other."""
    writer = None
    for first in range(0, lines, GROUP):
        table = database.sql(query(first, min(first + GROUP, lines))).to_arrow_table()
        milliseconds = [
            pa.field(field.name, pa.timestamp("ms") if pa.types.is_timestamp(field.type) else field.type)
            for field in table.schema
        ]
        table = table.cast(pa.schema(milliseconds))
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table, row_group_size=GROUP)
    writer.close()


def write_csv(database, lines, path):
    """Writes CSV as AWS does: compressed, maps as JSON, moments with a `Z`."""
    maps = ", ".join(f"to_json({name}) AS {name}" for name in ("cost_category", "discount", "product", "resource_tags"))
    database.execute(
        f"COPY (SELECT * REPLACE ({maps}) FROM ({query(0, lines)})) TO '{path}'"
        " (FORMAT csv, HEADER, COMPRESSION gzip, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')"
    )


def main():
    """Writes one file; what was begun and not finished never has its name."""
    lines, path = int(sys.argv[1]), sys.argv[2]
    write = write_csv if path.endswith(".csv.gz") else write_parquet
    write(connected(), lines, f"{path}.part")
    os.replace(f"{path}.part", path)


if __name__ == "__main__":
    main()
