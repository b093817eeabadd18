"""Checks deploy/helm/intune-graphql by what it renders: started by tests/chart/run.

- `helm lint --strict` and `helm template` of several sets of values
- each object against the schemas of the oldest and the newest supported version of Kubernetes
- what the objects promise: probes, the grace period, a read-only root, no secrets
- the rendered settings, which the gateway must accept
- values that must be rejected
- the warnings in the notes of a release
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/intune-graphql"
VERSIONS = ["1.27", "1.37"]
# Not in the schemas of Kubernetes; their operator defines them.
CUSTOM = {"ServiceMonitor", "PrometheusRule"}

IMAGE = {"image": {"repository": "registry.example.org/intune-graphql"}}
FULL = {
    "image": {"repository": "registry.example.org/intune-graphql", "digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "pull"}]},
    "config": {
        "graph-cloud": "us-gov-l4",
        "cors-origin": ["https://app.example.org", "capacitor://localhost"],
        "request-timeout": "20s",
        "max-buffered-bytes": 268435456,
        "access-log": "all",
        "access-log-sample": 0.5,
        "introspection": False,
    },
    "extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.observability:4318"}],
    "cursorKey": {"existingSecret": "cursor-key"},
    "tls": {"existingSecret": "intune-graphql-tls"},
    "drain": {"delay": 20, "timeout": 60},
    "autoscaling": {"enabled": True},
    "networkPolicy": {
        "from": [{"podSelector": {"matchLabels": {"app": "front-end"}}}],
        "extraEgress": [{"ports": [{"port": 4318}], "to": [{"namespaceSelector": {}}]}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "runbooks": "https://docs.example.org/runbooks"},
    "dashboard": {"enabled": True},
    "podAnnotations": {"example.org/team": "devices"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "priorityClassName": "high",
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
}
STATE = {**IMAGE, "state": {"enabled": True, "storageClassName": "local"}}
STATE_REPLICAS = {**STATE, "replicaCount": 3, "cursorKey": {"existingSecret": "cursor-key"}}
SHARED = {
    **IMAGE,
    "replicaCount": 3,
    "cursorKey": {"existingSecret": "cursor-key"},
    "sharedState": {"existingSecret": "shared-state", "caKey": "ca.crt"},
    "networkPolicy": {"sharedState": {"port": 6380, "to": [{"podSelector": {"matchLabels": {"app": "valkey"}}}]}},
}
SHARED_OPEN = {**IMAGE, "sharedState": {"existingSecret": "shared-state", "urlKey": "address", "passwordKey": ""}}
BARE = {**IMAGE, "networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}}
VALUES = {
    "minimal": IMAGE,
    "full": FULL,
    "state": STATE,
    "state with replicas": STATE_REPLICAS,
    "shared state": SHARED,
    "shared state without a password": SHARED_OPEN,
    "bare": BARE,
}

# The words of the notes that each set of values has, out of all of these.
NOTES = {
    "share nothing": [FULL, STATE_REPLICAS],
    "up to 6 replicas": [FULL],
    "keys are lost": [IMAGE, FULL, BARE],
    "without cursorKey.existingSecret": [SHARED_OPEN],
}

# What must be rejected, with a part of the message.
REJECTED = [
    ({}, "image.repository is required"),
    ({**IMAGE, "replicaCount": 2}, "cursorKey.existingSecret is required"),
    ({**IMAGE, "autoscaling": {"enabled": True}}, "cursorKey.existingSecret is required"),
    ({**IMAGE, "replicas": 2}, "replicas"),
    ({**SHARED, "state": {"enabled": True}}, "replaces state.enabled"),
    ({**IMAGE, "sharedState": {"url": "redis://valkey"}}, "url"),
    ({**IMAGE, "config": {"state-file": "/tmp/state"}}, "state-file"),
    ({**IMAGE, "config": {"state-url": "redis://valkey"}}, "state-url"),
    ({**IMAGE, "config": {"requestTimeout": "20s"}}, "requestTimeout"),
    ({**IMAGE, "image": {"repository": "a", "digest": "latest"}}, "digest"),
    ({**IMAGE, "service": {"type": "ExternalName"}}, "type"),
    ({**IMAGE, "drain": {"timeout": "30s"}}, "timeout"),
]

passed = 0


def check(condition, what):
    global passed
    if not condition:
        sys.exit(f"chart: FAILED: {what}")
    passed += 1


def helm(*arguments, values):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        return subprocess.run([os.environ["HELM"], *arguments, "--values", file.name], capture_output=True, text=True)


def render(values):
    done = helm("template", "test", str(CHART), "--namespace", "devices", values=values)
    check(done.returncode == 0, f"helm template: {done.stderr}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def validate(name, documents):
    for document in documents:
        kind = document["kind"]
        if kind in CUSTOM:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                check(False, f"{name}: {kind} in Kubernetes {version}: {error.message} at {list(error.path)}")
            check(True, "")


def check_pod(name, values, documents):
    by_kind = {document["kind"]: document for document in documents if document["kind"] != "Service"}
    kind = "StatefulSet" if values.get("state", {}).get("enabled") else "Deployment"
    workload = by_kind[kind]
    check(("Deployment" in by_kind) != ("StatefulSet" in by_kind), f"{name}: one workload")
    check("Secret" not in by_kind, f"{name}: no secret is rendered")
    template = workload["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    secret = {variable["name"]: variable["valueFrom"]["secretKeyRef"] for variable in container["env"] if "valueFrom" in variable}
    shared = values.get("sharedState", {})
    if shared:
        url = {"name": shared["existingSecret"], "key": shared.get("urlKey", "url")}
        check(secret == {"INTUNE_GRAPHQL_STATE_URL": url}, f"{name}: the URL comes from the Secret: {secret}")
        env["INTUNE_GRAPHQL_STATE_URL"] = "rediss://valkey.example.org"
        keys = [key for key in (shared.get("passwordKey", "password"), shared.get("caKey")) if key]
        files = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "shared-state"]
        check([item["key"] for secret in files for item in secret["items"]] == keys, f"{name}: files of the Secret: {files}")
        check(all(secret["secretName"] == shared["existingSecret"] for secret in files), f"{name}: the Secret's name")
        mounted = [value for variable, value in env.items() if variable in ("INTUNE_GRAPHQL_STATE_PASSWORD_FILE", "INTUNE_GRAPHQL_STATE_CA")]
        check(sorted(mounted) == sorted(f"/etc/intune-graphql/shared-state/{key}" for key in keys), f"{name}: settings name the files: {mounted}")
    else:
        check(not secret and not any("STATE_URL" in variable for variable in env), f"{name}: no shared state")

    def seconds(variable):
        return int(env[variable].removesuffix("s"))

    drain = seconds("INTUNE_GRAPHQL_DRAIN_DELAY") + seconds("INTUNE_GRAPHQL_DRAIN_TIMEOUT")
    check(pod["terminationGracePeriodSeconds"] > drain, f"{name}: the grace period is longer than the drain")
    ready = container["readinessProbe"]
    check(ready["periodSeconds"] * ready["failureThreshold"] < seconds("INTUNE_GRAPHQL_DRAIN_DELAY"), f"{name}: not ready within the drain delay")
    check(ready["httpGet"]["path"] == "/readyz" and container["livenessProbe"]["httpGet"]["path"] == "/livez", f"{name}: probes")
    security = container["securityContext"]
    check(security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}, f"{name}: read-only root, no capabilities")
    check(not security["allowPrivilegeEscalation"] and pod["securityContext"]["runAsNonRoot"], f"{name}: no root")
    check(not pod["automountServiceAccountToken"] and not pod["enableServiceLinks"], f"{name}: no token, no variables of Services")
    check({"cpu", "memory"} <= container["resources"]["requests"].keys() & container["resources"]["limits"].keys(), f"{name}: resources")
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    check(mounts == volumes, f"{name}: volumes {volumes} are mounted: {mounts}")

    labels, ports = template["metadata"]["labels"], {port["name"] for port in container["ports"]}
    services = [document for document in documents if document["kind"] == "Service"]
    selectors = [service["spec"]["selector"] for service in services] + [workload["spec"]["selector"]["matchLabels"]]
    for kind, path in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        selectors += [by_kind[kind]["spec"][path]["matchLabels"]] if kind in by_kind else []
    check(all(selector.items() <= labels.items() for selector in selectors), f"{name}: selectors select the pod")
    check(all(port["targetPort"] in ports for service in services for port in service["spec"]["ports"]), f"{name}: ports exist")
    names = {service["metadata"]["name"]: service["metadata"]["labels"] for service in services}
    check(workload["spec"].get("serviceName", next(iter(names))) in names, f"{name}: the StatefulSet's Service exists")
    if "NetworkPolicy" in by_kind:
        policy = values.get("networkPolicy", {}).get("sharedState", {"port": 6379})
        rule = {"ports": [{"port": policy["port"]}], **({"to": policy["to"]} if "to" in policy else {})}
        check((rule in by_kind["NetworkPolicy"]["spec"]["egress"]) == bool(shared), f"{name}: the shared state can be reached")
    if "ServiceMonitor" in by_kind:
        wanted = by_kind["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
        check(sum(wanted.items() <= labels.items() for labels in names.values()) == 1, f"{name}: each replica is scraped once")
    if "HorizontalPodAutoscaler" in by_kind:
        target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        check((target["kind"], target["name"]) == (workload["kind"], workload["metadata"]["name"]), f"{name}: the autoscaler's target")
        metric = by_kind["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["pods"]["metric"]["name"]
        check(f"`{metric}`" in (ROOT / "docs/metrics.md").read_text(), f"{name}: the autoscaler's metric")
        check("replicas" not in workload["spec"], f"{name}: the autoscaler alone sets the replicas")
    return env, next(document for document in documents if document["kind"] == "ConfigMap" and "config.toml" in document["data"])


def check_settings(name, values, env, config):
    """The gateway must accept the settings, and take them from the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_text(config["data"]["config.toml"])
        environment = {**env, "INTUNE_GRAPHQL_CONFIG": str(file), "PATH": os.environ["PATH"]}
        done = subprocess.run([os.environ["GATEWAY"], "config"], env=environment, capture_output=True, text=True)
    check(done.returncode == 0, f"{name}: the gateway rejects the settings: {done.stderr}")
    lines = [line.split("#")[0].strip() for line in done.stdout.splitlines() if "file" in line.split("#")[-1]]
    for setting in values.get("config", {}):
        check(any(line.startswith(f"{setting} = ") for line in lines), f"{name}: {setting} is not taken from the file: {done.stdout}")


def check_notes(name, values):
    done = helm("install", "test", str(CHART), "--dry-run=client", "--namespace", "devices", values=values)
    check(done.returncode == 0, f"{name}: helm install --dry-run: {done.stderr}")
    notes = " ".join(done.stdout.split("\nNOTES:\n")[1].split())
    for words, expected in NOTES.items():
        check((words in notes) == (values in expected), f"{name}: {words!r} in the notes: {notes}")


def check_rules(documents):
    rule = next(document for document in documents if document["kind"] == "PrometheusRule")
    ours = (ROOT / "deploy/prometheus/rules.yml").read_text().replace("docs/runbooks.md", FULL["prometheusRule"]["runbooks"])
    check(rule["spec"] == yaml.safe_load(ours), "the PrometheusRule has the alerts of deploy/prometheus")
    dashboard = next(document for document in documents if document["metadata"]["name"].endswith("-dashboard"))
    ours = yaml.safe_load((ROOT / "deploy/grafana/dashboards/intune-graphql.json").read_text())
    check(yaml.safe_load(dashboard["data"]["intune-graphql.json"]) == ours, "the dashboard is that of deploy/grafana")


def main():
    for name, values in VALUES.items():
        lint = helm("lint", "--strict", str(CHART), values=values)
        check(lint.returncode == 0, f"{name}: helm lint: {lint.stdout}{lint.stderr}")
        documents = render(values)
        validate(name, documents)
        env, config = check_pod(name, values, documents)
        check_settings(name, values, env, config)
        check_notes(name, values)
        print(f"chart: ok: {name}: {len(documents)} objects", flush=True)
        if values is FULL:
            check_rules(documents)
    for values, message in REJECTED:
        done = helm("template", "test", str(CHART), values=values)
        check(done.returncode != 0 and message in done.stderr, f"{values} must be rejected with {message!r}: {done.stderr or 'accepted'}")
    print(f"chart: ok: {len(REJECTED)} invalid sets of values are rejected")
    print(f"chart: {passed} checks passed")


main()
