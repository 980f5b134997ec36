"""The checks of `.ci/metrics`.

receive PORT FILE           accepts POST /v1/metrics, and writes to FILE how much arrived and which metrics it contained
received FILE               prints the content of FILE; fails if metrics are missing
judge URL DASHBOARD RULES   waits for the alerts and runs every query of the dashboard
"""

import json
import re
import sys
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# For each dataset, by its prefix: the alerts that must fire and those that may fire. Any other alert is an error. The
# prefix is the name of the problem; `orders` is the example service.
EXPECTED = {
    "orders": ([], []),
    "healthy": ([], []),
    # Sometimes all five tries of a request fail.
    "throttled": (["S3StoreThrottled"], ["S3StoreCallsFail", "S3StoreRequestErrors"]),
    "dropped": (["S3StoreRetries"], ["S3StoreCallsFail", "S3StoreRequestErrors"]),
    "refused": (["S3StoreFollowerFailed", "S3StorePollsFail", "S3StoreCallsFail", "S3StoreRequestErrors"], []),
    "unavailable": (
        ["S3StoreUnavailable", "S3StoreRequestErrors", "S3StoreRetries", "S3StoreCallsFail", "S3StorePollsFail"],
        [],
    ),
    "late": (["S3StoreLateCommitsNotRestamped"], ["S3StoreCallsFail"]),
    "restamped": ([], []),
    "unknown": (
        ["S3StoreUnknownOutcomes"],
        ["S3StoreRequestErrors", "S3StoreUnavailable", "S3StoreRetries", "S3StoreCallsFail"],
    ),
    "pruned": (["S3StoreMissingData"], []),
    "damaged": (["S3StoreUndecodableData"], []),
    "malformed": (["S3StoreMalformedRefs"], []),
    "skewed": (["S3StoreClockSkew"], []),
    # A request's duration includes the wait for its permit.
    "crowded": (["S3StorePermitsExhausted"], ["S3StoreSlowRequests"]),
    "slow": (["S3StoreSlowRequests"], []),
    "lagging": (["S3StoreStreamLag"], []),
    # Its requests time out.
    "unpublished": (
        ["S3StorePublishLag"],
        ["S3StoreRetries", "S3StoreRequestErrors", "S3StoreUnavailable", "S3StoreSlowRequests", "S3StorePollsFail"],
    ),
    "stalled": (["S3StoreReadStalls"], []),
}
# Seconds to wait for the alerts. A stall is reported after a minute, by a check that runs every 30 s.
PATIENCE = 150
# Seconds to wait at least, so that alerts that must not fire have time to fire.
LEAST = 60
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "2m",
    "$bucket": ".*",
    "$prefix": ".*",
    "$job": ".*",
}


def ask(url, query):
    body = urllib.parse.urlencode({"query": query}).encode()
    with urllib.request.urlopen(f"{url}/api/v1/query", body) as answer:
        return json.load(answer)["data"]["result"]


def fired(url):
    """Returns the alerts that have fired so far, by prefix."""
    alerts = {}
    for series in ask(url, 'max_over_time(ALERTS{alertstate="firing"}[10m])'):
        labels = series["metric"]
        alerts.setdefault(labels.get("s3store_prefix", "?"), set()).add(labels["alertname"])
    return alerts


def judge(url, dashboard, rules):
    begun = time.monotonic()
    while True:
        passed = time.monotonic() - begun
        alerts = fired(url)
        missing = {prefix: set(must) - alerts.get(prefix, set()) for prefix, (must, _) in EXPECTED.items()}
        # A target that is down ends the wait. A busy machine may miss a single scrape.
        dead = passed > 20 and ask(url, "max_over_time(up[15s]) == 0")
        if dead or passed > PATIENCE or (passed > LEAST and not any(missing.values())):
            break
        time.sleep(2)
    # A new series needs a second sample for a rate.
    time.sleep(3)
    print(f"alerts after {passed:.0f} s:")
    failures = []
    for prefix in [*EXPECTED, *sorted(alerts.keys() - EXPECTED.keys())]:
        must, may = EXPECTED.get(prefix, ([], []))
        have = alerts.get(prefix, set())
        print(f"  {prefix:12} {' '.join(sorted(have)) or '-'}")
        failures += [f"{prefix}: {name} did not fire" for name in sorted(set(must) - have)]
        failures += [f"{prefix}: {name} fired" for name in sorted(have - set(must) - set(may))]
    named = set(re.findall(r"- alert: (\w+)", open(rules).read()))
    tried = {name for must, _ in EXPECTED.values() for name in must}
    failures += [f"{name}: no dataset must fire this alert" for name in sorted(named - tried)]

    queries = 0
    for panel in json.load(open(dashboard))["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            queries += 1
            if all(series["value"][1] == "NaN" for series in ask(url, query)):
                failures.append(f"query without data: {panel['title']}: {query}")
    for target in ask(url, "avg_over_time(up[10m]) < 0.7"):
        failures.append(f"scraping fails: {target}")
    print(f"{len(named)} alerts, {len(EXPECTED)} datasets, {queries} queries of the dashboard")
    for failure in failures:
        print(failure, file=sys.stderr)
    return not failures


def receive(port, file):
    seen = {"posts": 0, "bytes": 0, "metrics": []}

    class Receiver(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            right = self.path == "/v1/metrics" and self.headers["Content-Type"] == "application/x-protobuf"
            if right:
                seen["posts"] += 1
                seen["bytes"] += len(body)
                # Protobuf stores text as plain bytes.
                names = {name.decode() for name in re.findall(rb"s3store(?:\.[a-z0-9_]+){2,}", body)}
                seen["metrics"] = sorted(names.union(seen["metrics"]))
                with open(file, "w") as out:
                    json.dump(seen, out)
            self.send_response(200 if right else 400)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()


def received(file):
    seen = json.load(open(file))
    print(f"otlp: {seen['posts']} posts, {seen['bytes']} bytes, {len(seen['metrics'])} metrics")
    wanted = {"s3store.s3.request.count", "s3store.method.duration", "s3store.follow.lag", "s3store.write.records"}
    missing = wanted.difference(seen["metrics"])
    if missing:
        print(f"otlp: missing metrics: {sorted(missing)}", file=sys.stderr)
    return seen["posts"] > 1 and not missing


if __name__ == "__main__":
    _, verb, *arguments = sys.argv
    if verb == "receive":
        receive(int(arguments[0]), arguments[1])
    else:
        sys.exit(not {"judge": judge, "received": received}[verb](*arguments))
