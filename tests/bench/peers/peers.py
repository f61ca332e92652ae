"""Asks DuckDB or Polars what the bench asks the cost reader: what each account spent on each service on each day.

    peers.py duckdb|duckdb-decimal|polars FILE [ROWS]

Prints one line of JSON: how long the question took once the library was there, and the processor time for it, in
microseconds, the most memory that the process had resident, in KiB, and the number of sums. With ROWS it writes the
sums there too, as lines of JSON; the rounds that are timed go without. `duckdb-decimal` adds up decimals, exactly while
no cost has more than 18 of them.
"""

import json
import os
import sys
import time

THREADS = 2
COST = {"duckdb": "line_item_unblended_cost", "duckdb-decimal": "CAST(line_item_unblended_cost AS DECIMAL(38, 18))"}


def with_duckdb(which, path):
    """A question to DuckDB, which gives the sums as an Arrow table."""
    import duckdb

    file = "read_parquet($path)"
    if not path.endswith(".parquet"):
        # Accounts are no numbers, though they look like some.
        file = "read_csv($path, types = {'line_item_usage_account_id': 'VARCHAR'})"
    database = duckdb.connect(config={"threads": THREADS})
    query = f"""SELECT line_item_usage_account_id, line_item_product_code, CAST(line_item_usage_start_date AS DATE),
        sum({COST[which]}) FROM {file} GROUP BY ALL"""
    return lambda: database.sql(query, params={"path": path}).to_arrow_table()


def with_polars(path):
    """A question to Polars' streaming engine, which gives the sums as a data frame."""
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars

    day = polars.col("line_item_usage_start_date").dt.date()
    sums = polars.scan_parquet(path).group_by("line_item_usage_account_id", "line_item_product_code", day)
    return lambda: sums.agg(polars.col("line_item_unblended_cost").sum()).collect(engine="streaming")


def peak():
    """The most memory that this process had resident, in KiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main():
    """Asks, and says what it took."""
    which, path, *rows = sys.argv[1:]
    question = with_polars(path) if which == "polars" else with_duckdb(which, path)
    began, computed = time.perf_counter_ns(), time.process_time_ns()
    answer = question()
    took, computed = time.perf_counter_ns() - began, time.process_time_ns() - computed
    told = {"took_us": took // 1000, "processor_us": computed // 1000, "peak_kib": peak(), "sums": len(answer)}
    print(json.dumps(told))
    if rows:
        table = answer.to_arrow() if which == "polars" else answer
        with open(rows[0], "w", encoding="utf-8") as file:
            for account, service, day, cost in zip(*(column.to_pylist() for column in table.columns), strict=True):
                file.write(json.dumps([account, service, day.isoformat(), str(cost)]) + "\n")


if __name__ == "__main__":
    main()
