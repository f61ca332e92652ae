"""Writes cost exports in every format that AWS delivers, with what goes wrong for a careless reader, and their sums.

    exports.py FOLDER [--lines 200] [--seed 5]

Each export is a folder of files below FOLDER; FOLDER/exports.json lists them with the sums that `export_sums.py` reads
out of the very files. The same seed writes the same lines. Names and types are those of AWS's table dictionaries:
https://docs.aws.amazon.com/cur/latest/userguide/dataexports-table-dictionary.html
"""

import argparse
import csv
import gzip
import io
import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from functools import partial
from pathlib import Path

import export_sums
import pyarrow as pa
import pyarrow.parquet as pq

# Where billing months begin. Most lines are of the second; the few of the first are what AWS restates after its end.
MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12)]

ACCOUNTS = ["111122223333", "222233334444", "000000000042", "999999999999", None]
PRODUCTS = [
    "AmazonEC2",
    "AmazonAthena",
    "ElasticMapReduce",
    "AmazonSageMaker",
    "AWSGlue",
    "AmazonS3",
    "Größe & Söhne",
    None,
]
SUPPORT = ["AWSSupportBusiness", "AWSSupportEnterprise", "AWSDeveloperSupport", "OCBPremiumSupport"]
OWNERS = [
    "ana",
    "Zoë Müller",
    "名前 さん",
    'O\'Neill, "the 2nd"',
    "a,b;c\td",
    "first line\nsecond line",
    "🙂👩‍💻",
    "back\\slash",
    "",
    None,
    None,
]
UNITS = ["Hrs", "DPU-Hour", "Terabytes", "GB-Mo", None]
TYPES = [
    "Usage", "Usage", "Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation",
    "SavingsPlanUpfrontFee", "SavingsPlanRecurringFee", "RIFee", "Fee", "Fee", "Tax", "Credit", "Refund",
    "BundledDiscount", "EdpDiscount", "PrivateRateDiscount", "SppDiscount", "RiVolumeDiscount", "Discount",
    "WhatNobodyHasSeenYet",
]  # fmt: skip
CHARGED_ONCE = {"Tax", "Fee", "RIFee", "SavingsPlanUpfrontFee", "SavingsPlanRecurringFee"}
DESCRIPTIONS = [
    "$0.096 per On Demand hour",
    'a "quoted" part, and a comma',
    "two\nlines",
    "two\r\nlines, as Windows ends them",
    "",
]

# Costs of each kind, beside those that are drawn: nothing, the largest and the smallest digits that a double can tell
# apart, exponents of either case, ties of the shortest form, and what is less than nothing.
ODD_COSTS = [
    "0", "0.0", "-0.0", "0E-10", "1.81E-8", "-1.81e-8", "6.02E+3", "1e-7", "0.1", "0.2", "0.30000000000000004", "1E-18",
    "123456789.123456789", "9007199254740993", "2.2250738585072014E-30", "1.7976931348623157E+20", "-0.000001", "1e22",
    "1e23", "0.000012207031250000000", "4.35", "2.675", "1.005", "-98765.4321", "5E-7",
]  # fmt: skip
EXTREME_COSTS = [
    "1.7976931348623157e+308",
    "-1.7976931348623157e+308",
    "5e-324",
    "2.2250738585072014e-308",
    "1.0",
    "1e-300",
]

MILLISECONDS = pa.timestamp("ms")
DECIMALS = [pa.decimal128(38, 18), pa.decimal128(18, 8), pa.decimal128(9, 3), pa.decimal128(30, 10)]

CUR_COSTS = [
    "line_item_unblended_cost",
    "line_item_net_unblended_cost",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "reservation_net_unused_recurring_fee",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
]
FOCUS_COSTS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]
AMOUNTS = {*CUR_COSTS, "line_item_usage_amount", *FOCUS_COSTS, "ConsumedQuantity", "PricingQuantity"}
MAPS = {"resource_tags", "Tags", "product"}

# How columns of text say that there is no amount.
NOTHING = itertools.cycle([None, "", "NULL"])

# What the names of columns begin with, which legacy CUR has before a slash in CSV.
PARTS = ["identity", "bill", "line_item", "product", "pricing", "reservation", "savings_plan"]


def cost(rng, odd=ODD_COSTS):
    """A cost as text, as AWS writes them: rate times usage, with up to 17 digits."""
    kind = rng.random()
    if kind < 0.08:
        return None
    if kind < 0.3:
        return rng.choice(odd)
    if kind < 0.7:
        return f"{rng.randint(-2000, 500_000)}e{rng.randint(-10, -2)}" if kind < 0.4 else f"{rng.uniform(0, 50):.10f}"
    return repr(rng.uniform(-1, 30) * rng.choice([1, 1e-3, 1e-6, 1e3]))


def period(rng, once):
    """A billing month, and when in it something was used: for an hour, or all the month for what is charged once."""
    month = 0 if rng.random() < 0.1 else 1
    begins, ends = MONTHS[month : month + 2]
    if once:
        return begins, ends, begins, ends
    hours = (ends - begins) // timedelta(hours=1)
    used = begins + timedelta(hours=rng.choice([0, hours - 1, rng.randrange(hours), rng.randrange(hours)]))
    return begins, ends, used, used + timedelta(hours=1)


def tags(rng, owner_key):
    """A line's tags: none, without an owner, or with one between others whose keys look like it."""
    if rng.random() < 0.1:
        return None
    owner = rng.choice(OWNERS)
    found = {"user_cost_center": str(rng.randint(1, 9)), f"x{owner_key}": "not this one"}
    if owner is not None:
        found[owner_key] = owner
    found[f"{owner_key}2"] = "nor this"
    return found if rng.random() < 0.9 else {}


def cur_line(rng, number, odd):
    """A line of CUR, by the names of CUR 2.0."""
    type_ = rng.choice(TYPES)
    month, month_ends, begins, ends = period(rng, type_ in CHARGED_ONCE)
    support = type_ in {"Usage", "Fee", "Credit", "Refund"} and rng.random() < 0.15
    product = rng.choice(SUPPORT if support else PRODUCTS)
    reserved = type_ in {"DiscountedUsage", "RIFee"} or (type_ == "Fee" and rng.random() < 0.5)
    return {
        "identity_line_item_id": f"line{number:08}",
        "identity_time_interval": f"{begins:%Y-%m-%dT%H:%M:%SZ}/{ends:%Y-%m-%dT%H:%M:%SZ}",
        "bill_payer_account_id": "123456789012",
        "bill_bill_type": rng.choice(["Anniversary", "Purchase", "Refund"]),
        "bill_billing_period_start_date": month,
        "bill_billing_period_end_date": month_ends,
        "line_item_usage_account_id": rng.choice(ACCOUNTS),
        "line_item_line_item_type": type_,
        "line_item_usage_start_date": begins,
        "line_item_usage_end_date": ends,
        "line_item_product_code": product,
        "line_item_usage_type": f"EUW1-{rng.choice(['BoxUsage:m7i.large', 'DataScannedInTB', 'ETL-DPU-Hour'])}",
        "line_item_usage_amount": cost(rng, ODD_COSTS),
        "line_item_currency_code": "USD",
        "line_item_line_item_description": rng.choice(DESCRIPTIONS),
        **{name: cost(rng, odd) for name in CUR_COSTS},
        "pricing_unit": rng.choice(UNITS),
        "product": {"product_name": product or "", "region": "eu-west-1"},
        "reservation_reservation_a_r_n": "arn:aws:ec2:eu-west-1:1:ri/7" if reserved else rng.choice(["", None]),
        "resource_tags": tags(rng, "user_owner"),
    }


def legacy_line(rng, number, odd):
    """The same of legacy CUR, where each tag has its own column."""
    line = cur_line(rng, number, odd)
    found = line.pop("resource_tags") or {}
    del line["product"]
    for key in ["user_cost_center", "user_owner", "user_owner2"]:
        line[f"resource_tags_{key}"] = found.get(key)
    return line


FOCUS_KINDS = [
    ("Usage", None), ("Usage", None), ("Usage", "Correction"), ("Purchase", None), ("Purchase", "Correction"),
    ("Tax", None), ("Credit", None), ("Credit", "Correction"), ("Adjustment", None), ("NotYetKnown", None),
]  # fmt: skip


def focus_line(version):
    """Makes lines of a FOCUS version, as AWS exports it."""

    def line(rng, number, odd):
        category, class_ = rng.choice(FOCUS_KINDS)
        month, month_ends, begins, ends = period(rng, category in {"Purchase", "Tax"})
        support = rng.random() < 0.1
        product = rng.choice(SUPPORT if support else PRODUCTS)
        service = f"AWS Support ({product})" if support else product
        found = {
            "AvailabilityZone": rng.choice(["euw1-az1", None]),
            "BillingAccountId": "123456789012",
            "BillingCurrency": "USD",
            "BillingPeriodStart": month,
            "BillingPeriodEnd": month_ends,
            "ChargeCategory": category,
            "ChargeClass": class_,
            "ChargeDescription": rng.choice(DESCRIPTIONS),
            "ChargePeriodStart": begins,
            "ChargePeriodEnd": ends,
            "ConsumedQuantity": cost(rng),
            "ConsumedUnit": rng.choice(UNITS),
            **{name: cost(rng, odd) for name in FOCUS_COSTS},
            "PricingQuantity": cost(rng),
            "PricingUnit": rng.choice(UNITS),
            "ProviderName": "AWS",
            "ServiceCategory": "Compute",
            "ServiceName": service,
            "SubAccountId": rng.choice(ACCOUNTS),
            "SubAccountName": "a sandbox",
            "Tags": tags(rng, "user:owner"),
            "x_ServiceCode": product,
        }
        if version >= "1.1":
            found |= {"CommitmentDiscountQuantity": None, "ServiceSubcategory": "Virtual Machines"}
        if version >= "1.2":
            found |= {"BillingAccountType": "Payer", "InvoiceId": f"EUINGB26-{number}", "PricingCurrency": "EUR"}
        return found

    return line


def is_time(name):
    """Whether a column has moments."""
    return name not in AMOUNTS and name.endswith(("_date", "PeriodStart", "PeriodEnd"))


def arrow_type(name, times, others):
    """The type of a Parquet column."""
    if name in others:
        return others[name]
    if name in AMOUNTS:
        return pa.float64()
    if is_time(name):
        return times
    return pa.map_(pa.string(), pa.string()) if name in MAPS else pa.string()


def arrow_value(type_, value):
    """A value as a column of the type holds it."""
    if value is None:
        return None
    if pa.types.is_float64(type_):
        return float(value)
    if pa.types.is_decimal(type_):
        with localcontext(prec=100):
            value = Decimal(value).quantize(Decimal(1).scaleb(-type_.scale))
        limit = Decimal(10) ** (type_.precision - type_.scale)
        return value if abs(value) < limit else value % limit
    if pa.types.is_map(type_):
        return list(value.items())
    if isinstance(value, datetime) and not pa.types.is_timestamp(type_):
        return f"{value:%Y-%m-%dT%H:%M:%S}.000Z"
    return value.encode() if pa.types.is_binary(type_) else value


def write_parquet(path, lines, times=MILLISECONDS, others=None, **options):
    """Writes lines as Parquet, in row groups and pages so small that there are several of each."""
    columns = {name: arrow_type(name, times, others or {}) for name in lines.names}
    arrays = []
    for name, type_ in columns.items():
        values = [line[name] for line in lines]
        if name in AMOUNTS and type_ in {pa.string(), pa.binary()}:
            values = [next(NOTHING) if value is None else value for value in values]
        arrays.append(pa.array([arrow_value(type_, value) for value in values], type_))
    table = pa.table(arrays, schema=pa.schema(columns.items()))
    options = {"compression": "snappy", "data_page_size": 2048, "write_batch_size": 32, **options}
    pq.write_table(table, path, row_group_size=max(1, len(lines) // 3), **options)


def legacy_header(name):
    """The name that legacy CUR has for a column in CSV: `lineItem/UsageAccountId`."""
    if name.startswith("resource_tags_user_"):
        return f"resourceTags/user:{name.removeprefix('resource_tags_user_')}"
    part = next(part for part in PARTS if name.startswith(f"{part}_"))
    head, *tail = part.split("_")
    words = name.removeprefix(f"{part}_").replace("a_r_n", "ARN").split("_")
    return head + "".join(map(str.capitalize, tail)) + "/" + "".join(word[:1].upper() + word[1:] for word in words)


def csv_value(value, rng, ascii_tags):
    """A value as text; a map is JSON."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=ascii_tags)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}{rng.choice(['Z', '.000Z'])}"
    return "" if value is None else value


def write_csv(
    path, lines, rng, names=str, ascii_tags=False, begins="", ends="\n", members=1, quoting=csv.QUOTE_MINIMAL
):
    """Writes lines as CSV, compressed where the name says so, in as many gzip members as are asked for."""
    text = io.StringIO(newline="")
    text.write(begins)
    writer = csv.writer(text, lineterminator=ends, quoting=quoting)
    writer.writerow([names(name) for name in lines.names])
    for line in lines:
        row = [csv_value(line[name], rng, ascii_tags) for name in lines.names]
        without = [name in AMOUNTS and not value for name, value in zip(lines.names, row, strict=True)]
        writer.writerow([next(NOTHING) if nothing else value for nothing, value in zip(without, row, strict=True)])
    content = text.getvalue().encode()
    if path.suffix == ".gz":
        size = len(content) // members + 1
        parts = [content[at : at + size] for at in range(0, len(content), size)]
        content = b"".join(gzip.compress(part, mtime=0) for part in parts)
    path.write_bytes(content)


class Lines(list):
    """Lines, and the names of their columns, which a file without lines has too."""

    def __init__(self, names, lines):
        super().__init__(lines)
        self.names = names

    def split(self, parts):
        """As many parts, the last of which is empty."""
        size = -(-len(self) // (parts - 1))
        return [Lines(self.names, self[at : at + size]) for at in range(0, size * parts, size)]


def write_export(folder, name, lines, write, ending, parts=1, **options):
    """Writes an export, and gives its name and its files; the last of several has no lines."""
    (folder / name).mkdir()
    split = lines.split(parts) if parts > 1 else [lines]
    paths = [folder / name / f"{name}-{number:05}.{ending}" for number in range(len(split))]
    for path, part in zip(paths, split, strict=True):
        write(path, part, **options)
    return name, paths


def encodings(names):
    """The encodings of newer writers: differences of moments and of lengths, numbers split by byte."""
    of_amount_or_text = {True: "BYTE_STREAM_SPLIT", False: "DELTA_LENGTH_BYTE_ARRAY"}
    flat = [name for name in names if name not in MAPS]
    return {name: "DELTA_BINARY_PACKED" if is_time(name) else of_amount_or_text[name in AMOUNTS] for name in flat}


def write_all(folder, rng, count):
    """Writes every export; gives the name and the files of each."""

    def lines(line, odd=ODD_COSTS):
        drawn = [line(rng, number, odd) for number in range(count)]
        return Lines(list(drawn[0]), drawn)

    parquet = partial(write_export, folder, write=write_parquet, ending="parquet")
    text = partial(write_export, folder, write=write_csv, ending="csv.gz", rng=rng)
    int96 = {"times": pa.timestamp("ns"), "use_deprecated_int96_timestamps": True}
    plain = {"use_dictionary": False}
    in_utc = pa.timestamp("us", "UTC")
    costs_as_text = dict.fromkeys(CUR_COSTS, pa.string())
    costs_as_decimals = dict(zip(CUR_COSTS, itertools.cycle(DECIMALS), strict=False))
    binary = dict.fromkeys([*CUR_COSTS, "line_item_usage_account_id", "line_item_line_item_type"], pa.binary())

    yield parquet("cur2-parquet-snappy", lines(cur_line), parts=4)
    yield parquet("cur2-parquet-gzip", lines(cur_line), compression="gzip", **int96, **plain)
    yield parquet("cur2-parquet-zstd", lines(cur_line), compression="zstd", times=in_utc, data_page_version="2.0")
    yield parquet("cur2-parquet-none", lines(cur_line), compression="none", dictionary_pagesize_limit=64)
    newer = lines(cur_line)
    yield parquet("cur2-parquet-delta", newer, column_encoding=encodings(newer.names), **plain)
    yield parquet("cur2-parquet-decimal", lines(cur_line), others=costs_as_decimals)
    whole = {"others": costs_as_decimals, "store_decimal_as_integer": True}
    yield parquet("cur2-parquet-decimal-as-integer", lines(cur_line), **whole)
    yield parquet("cur2-parquet-text", lines(cur_line), others=costs_as_text, times=pa.string())
    yield parquet("cur2-parquet-binary", lines(cur_line), others=binary)
    yield parquet("cur2-parquet-extreme", lines(cur_line, EXTREME_COSTS))
    yield parquet("legacy-parquet-snappy", lines(legacy_line), parts=3, **int96)
    yield parquet("legacy-parquet-text", lines(legacy_line), compression="gzip", others=costs_as_text)
    yield text("cur2-csv", lines(cur_line), parts=3, members=3)
    yield text("cur2-csv-quoted", lines(cur_line), ascii_tags=True, quoting=csv.QUOTE_ALL)
    yield text("cur2-csv-plain", lines(cur_line), ending="csv", begins="\ufeff", ends="\r\n")
    yield text("legacy-csv", lines(legacy_line), parts=3, names=legacy_header)
    for version in ["1.0", "1.1", "1.2"]:
        yield parquet(f"focus-{version}-parquet", lines(focus_line(version)), parts=2)
        yield text(f"focus-{version}-csv", lines(focus_line(version)))


def main():
    """Writes the exports and what they add up to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lines", type=int, default=200, help="lines of each export")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    exports = []
    for name, paths in write_all(arguments.folder, random.Random(arguments.seed), arguments.lines):
        files = [str(path.relative_to(arguments.folder)) for path in paths]
        exports.append({"name": name, "files": files, **export_sums.answers(paths)})
    (arguments.folder / "exports.json").write_text(json.dumps(exports, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
