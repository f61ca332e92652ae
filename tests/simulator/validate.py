"""Holds the simulator against AWS's published service models, so that our tests do not merely believe ourselves.

A real boto3 client goes through every operation, errors and paging included. The raw JSON of each answer is caught
before botocore parses it and checked against the operation's shape: types, required members, enumerations, lengths,
patterns, and no member the model does not know. Prints one line a check; the exit status is 1 when any failed.

Each `validate_<service>.py` beside this file, named as boto3 names the service, holds `OPERATIONS`, the operations the
simulator knows, and `check(service, checks, url)`, which must drive every one of them.
"""

import argparse
import importlib
import pathlib
import sys

from validation import Checks, Service


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="the simulator's endpoint")
    parser.add_argument("--account", required=True, help="an account that has not been used there")
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--service", help="check this one only")
    options = parser.parse_args()
    here = pathlib.Path(__file__).parent
    names = [options.service] if options.service else sorted(path.stem[9:] for path in here.glob("validate_*.py"))
    checks = Checks()
    for name in names:
        module = importlib.import_module(f"validate_{name}")
        service = Service(checks, options.url, options.account, options.region, name)
        module.check(service, checks, options.url)
        missing = module.OPERATIONS ^ service.driven
        checks.that(f"every operation of {name} was driven", not missing, missing)
    print(f"{checks.count} checks, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
