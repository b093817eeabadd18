"""What rules, runbooks, documentation and dashboard say, without a running program."""

import json
import re

from checks import fail, ok
from programs import PROMETHEUS, RANGE, ROOT, RULES, promtool

DASHBOARD = ROOT / "deploy/grafana/dashboards/intune-graphql.json"
RUNBOOKS = ROOT / "docs/runbooks.md"
METRICS = ROOT / "docs/metrics.md"
UNIT_TESTS = ROOT / "tests/observability/rules.test.yml"

# Alerts that have no fault: rules.test.yml has them.
UNIT_TESTED = {
    "IntuneGraphqlRestarting",
    "IntuneGraphqlPanics",
    "IntuneGraphqlFilesNearLimit",
    "IntuneGraphqlTrustedDocumentsStale",
}


def check_files():
    promtool("check", "rules", RULES)
    promtool("check", "config", PROMETHEUS)
    promtool("test", "rules", UNIT_TESTS)
    ok("promtool accepts the rules and the configuration, and the unit tests of the rules pass")

    text, unit_tests = RULES.read_text(), UNIT_TESTS.read_text()
    alerts = re.split(r"\n +- alert: ", text)[1:]
    names = [alert.split()[0] for alert in alerts]
    headings = re.findall(r"^## (\S+)$", RUNBOOKS.read_text(), re.M)
    if names != headings:
        fail(f"alerts and runbooks differ, or have another order: {set(names) ^ set(headings) or (names, headings)}")
    for name, alert in zip(names, alerts):
        if not re.search(r"severity: (critical|warning|info)\n", alert):
            fail(f"{name} has no known severity")
        summary = re.search(r"summary: (.*)\n", alert)
        if not summary or not summary[1].endswith(".") or ". " in re.sub(r"\d\.\d|\{\{.*?\}\}", "", summary[1]):
            fail(f"the summary of {name} is not one sentence")
        if f"runbook_url: docs/runbooks.md#{name.lower()}\n" not in alert:
            fail(f"{name} does not link to its runbook")
    for name in UNIT_TESTED:
        if f"alertname: {name}\n" not in unit_tests:
            fail(f"{name} is neither staged nor tested by rules.test.yml")
    ok(f"{len(names)} alerts have a severity, a summary and a runbook")

    documented = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|", METRICS.read_text(), re.M))
    for file in (RULES, DASHBOARD):
        used = set(re.findall(r"\b(?:intune_graphql|process)_\w+", file.read_text()))
        unknown = {name for name in used if name not in documented and re.sub("_(bucket|sum|count)$", "", name) not in documented}
        if unknown:
            fail(f"{file.name} uses metrics that docs/metrics.md does not list: {unknown}")
    ok("rules and dashboard use only documented metrics")
    return names


def queries():
    """Each query of the dashboard with its panel's title, and the values here in place of variables."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", RANGE).replace("$instance", ".*").replace("$job", "intune-graphql")
            if "$" in query:
                fail(f"{panel['title']} has an unknown variable: {query}")
            yield panel["title"], query
