"""Reads cost exports and adds them up exactly, to hold the cost reader against: slow, plain, and written independently.

    export_sums.py FILE...

It shares nothing with the reader in `shared/spend`: pyarrow reads Parquet, Python's own module CSV, and `decimal` adds
up, with an error where a sum would have to be rounded. A double counts as `repr` prints it, the shortest decimal that
reads as the same double. What is charged follows the formulas that AWS publishes in its CUR query library and uses in
its Cloud Intelligence Dashboards.
"""

import csv
import decimal
import gzip
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

OWNER = "owner"
CHARGES = ["unblended", "net_unblended", "amortized", "net_amortized"]
CATEGORIES = ["tax", "credit", "refund", "support", "fee", "discount"]
EXCLUSIONS = [[], *([category] for category in CATEGORIES), ["credit", "refund", "tax"], CATEGORIES]
DIMENSIONS = ["account", "service", "owner", "day"]

# Doubles reach from 309 digits before the point to 340 behind it.
EXACT = decimal.Context(
    prec=1000, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.Inexact, decimal.InvalidOperation]
)
ZERO = decimal.Decimal(0)

CUR_NAMES = {
    "account": "line_item_usage_account_id",
    "service": "line_item_product_code",
    "begins": "line_item_usage_start_date",
    "ends": "line_item_usage_end_date",
    "month": "bill_billing_period_start_date",
    "currency": "line_item_currency_code",
    "used": "line_item_usage_amount",
    "unit": "pricing_unit",
}
FOCUS_NAMES = {
    "account": "SubAccountId",
    "service": "ServiceName",
    "begins": "ChargePeriodStart",
    "ends": "ChargePeriodEnd",
    "month": "BillingPeriodStart",
    "currency": "BillingCurrency",
    "used": "ConsumedQuantity",
    "unit": "ConsumedUnit",
}

USAGE = {"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"}
FEES = {"Fee", "RIFee", "SavingsPlanUpfrontFee", "SavingsPlanRecurringFee"}
TYPES = {"Tax": "tax", "Credit": "credit", "Refund": "refund", **dict.fromkeys(FEES, "fee")}


def lines_of(path):
    """The lines of a file as dictionaries, by the names of its columns."""
    if path.suffix == ".parquet":
        yield from pq.ParquetFile(path).read().to_pylist()
        return
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def snake_case(name):
    """The name in CUR 2.0 of a column of legacy CUR: `lineItem/UsageAccountId` is `line_item_usage_account_id`."""
    if name.startswith("resourceTags/"):
        return name.replace("resourceTags/", "resource_tags_").replace(":", "_")
    part, _, rest = name.partition("/")
    return "_".join(
        "".join(f"_{char.lower()}" if char.isupper() else char for char in word).strip("_") for word in (part, rest)
    )


def text(value):
    """A value as text; nothing is empty."""
    value = value.decode() if isinstance(value, bytes) else value
    return "" if value in {None, "NULL"} else value


def amount(value):
    """What a value is worth, exactly."""
    if isinstance(value, float):
        return decimal.Decimal(repr(value))
    if isinstance(value, decimal.Decimal):
        return value
    return decimal.Decimal(text(value) or 0)


def moment(value):
    """A moment in UTC, from a timestamp or from text."""
    if not isinstance(value, datetime):
        value = datetime.fromisoformat(text(value))
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def tag(value, keys):
    """The value of the first of these keys in a map, which CSV has as JSON."""
    if isinstance(value, str):
        value = json.loads(value) if text(value) else {}
    found = dict(value or {})
    return next((text(found[key]) for key in keys if key in found), "")


class Line:
    """A line of an export."""

    def __init__(self, line):
        self.line = line

    def get(self, name):
        """What it has under one of our names."""
        return self.line[self.names[name]]

    def key(self):
        """What its cost is summed by: account, service, owner, day."""
        return (
            text(self.get("account")),
            text(self.get("service")),
            self.owner(),
            f"{moment(self.get('begins')):%Y-%m-%d}",
        )


class Cur(Line):
    """A line of CUR, legacy or 2.0."""

    names = CUR_NAMES

    def __init__(self, line):
        super().__init__(line)
        self.type = text(line["line_item_line_item_type"])

    def owner(self):
        """Who its owner's tag names."""
        if "resource_tags" in self.line:
            return tag(self.line["resource_tags"], [f"user_{OWNER}"])
        return text(self.line[f"resource_tags_user_{OWNER}"])

    def is_usage(self):
        """Whether something was used."""
        return self.type in USAGE

    def categories(self):
        """What it is besides usage."""
        product = text(self.line["line_item_product_code"])
        support = product.startswith("AWSSupport") or product in {"AWSDeveloperSupport", "OCBPremiumSupport"}
        found = {TYPES.get(self.type)} | ({"support"} if support else set())
        return found | ({"discount"} if self.type.endswith("Discount") else set())

    def cost(self, charges):
        """What it costs."""
        get = self.line.get
        net = "net_" if charges.startswith("net_") else ""
        billed = amount(get(f"line_item_{net}unblended_cost"))
        if charges in {"unblended", "net_unblended"}:
            return billed
        match self.type:
            case "SavingsPlanCoveredUsage":
                return amount(get(f"savings_plan_{net}savings_plan_effective_cost"))
            case "SavingsPlanRecurringFee":
                total, used = get("savings_plan_total_commitment_to_date"), get("savings_plan_used_commitment")
                return EXACT.subtract(amount(total), amount(used))
            case "SavingsPlanNegation" | "SavingsPlanUpfrontFee":
                return ZERO
            case "DiscountedUsage":
                return amount(get(f"reservation_{net}effective_cost"))
            case "RIFee":
                upfront = amount(get(f"reservation_{net}unused_amortized_upfront_fee_for_billing_period"))
                return EXACT.add(upfront, amount(get(f"reservation_{net}unused_recurring_fee")))
            case "Fee" if text(get("reservation_reservation_a_r_n")):
                return ZERO
        return billed


class Focus(Line):
    """A line of FOCUS, of any version."""

    names = FOCUS_NAMES

    def __init__(self, line):
        super().__init__(line)
        self.category = text(line["ChargeCategory"])

    def owner(self):
        """Who its owner's tag names."""
        return tag(self.line["Tags"], [f"user:{OWNER}", f"user_{OWNER}", OWNER])

    def is_usage(self):
        """Whether something was used; what corrects an earlier line is a refund, as in CUR."""
        return self.category == "Usage" and "refund" not in self.categories()

    def categories(self):
        """What it is besides usage."""
        found = {{"Tax": "tax", "Credit": "credit", "Purchase": "fee", "Adjustment": "refund"}.get(self.category)}
        if text(self.line["ChargeClass"]) == "Correction":
            found.add("refund")
        if text(self.line["ServiceName"]).startswith("AWS Support"):
            found.add("support")
        return found

    def cost(self, charges):
        """What it costs. What AWS exports as FOCUS is after discounts either way."""
        return amount(self.line["BilledCost" if charges.endswith("unblended") else "EffectiveCost"])


def read(paths):
    """The lines of all files."""
    for path in paths:
        for line in lines_of(path):
            if "ChargeCategory" in line:
                yield Focus(line)
            else:
                yield Cur({snake_case(name) if "/" in name else name: value for name, value in line.items()})


def plain(number):
    """A number without an exponent and without zeros at its end."""
    number = EXACT.create_decimal(number).normalize(EXACT)
    return "0" if number == 0 else format(number, "f")


def summed(pairs):
    """The sums by key, in order: the parts of the key, then the sum."""
    sums = defaultdict(lambda: ZERO)
    for key, value in pairs:
        sums[key] = EXACT.add(sums[key], value)
    return [[*key, plain(value)] for key, value in sorted(sums.items())]


def answers(paths):
    """Everything that an export is asked, with the answers."""
    lines = list(read(paths))
    keys = [line.key() for line in lines]
    categories = [line.categories() for line in lines]
    used = [line.is_usage() for line in lines]
    usage_keys = [(key[0], key[1], text(line.get("unit")), key[3]) for line, key in zip(lines, keys, strict=True)]
    amounts = [amount(line.get("used")) if is_usage else ZERO for line, is_usage in zip(lines, used, strict=True)]
    questions = []
    for charges in CHARGES:
        costs = [line.cost(charges) for line in lines]
        for exclude in EXCLUSIONS:
            kept = [place for place, found in enumerate(categories) if not found & set(exclude)]
            answer = {"total": summed(((), costs[place]) for place in kept)}
            for place_in_key, dimension in enumerate(DIMENSIONS):
                answer[dimension] = summed(((keys[place][place_in_key],), costs[place]) for place in kept)
            if exclude in ([], CATEGORIES):
                answer["all"] = summed((keys[place], costs[place]) for place in kept)
                answer["used"] = summed((usage_keys[place], amounts[place]) for place in kept if used[place])
                answer["cost of use"] = summed((usage_keys[place], costs[place]) for place in kept if used[place])
            questions.append({"charges": charges, "exclude": exclude, "answers": answer})
    (currency,) = {text(line.get("currency")) for line in lines}
    ends = (moment(line.get("ends")) for line, is_usage in zip(lines, used, strict=True) if is_usage)
    return {
        "lines": len(lines),
        "currency": currency,
        "months": sorted({f"{moment(line.get('month')):%Y-%m-%d}" for line in lines}),
        "covered_until": f"{max(ends):%Y-%m-%dT%H:%M:%SZ}",
        "questions": questions,
    }


if __name__ == "__main__":
    print(json.dumps(answers([Path(name) for name in sys.argv[1:]]), ensure_ascii=False, indent=1))
