"""compose.yaml, deploy/kubernetes.yaml, the Dockerfile and debian/ agree with leat and each other."""

import json
import os
import re

import tree
from support import expect

PORT = 8080


def kinds():
    found = tree.documents("deploy/kubernetes.yaml")
    return {f"{row['kind']}/{row['metadata']['name']}": row for row in found}


def pod():
    spec = kinds()["StatefulSet/leat"]["spec"]["template"]["spec"]
    expect.eq(len(spec["containers"]), 1, "containers in the pod")
    return spec, spec["containers"][0]


def environment():
    _, container = pod()
    return {row["name"]: row["value"] for row in container["env"]}


# -- the image -------------------------------------------------------------------------


def test_the_image_listens_where_it_says(t):
    env = tree.image_environment()
    tree.variables_are_known(t, env)
    assert not {"LEAT_INSECURE", "LEAT_TOKENS"} & set(env), "whoever runs the image says who may"
    expect.eq(env["LEAT_LISTEN"], f"0.0.0.0:{tree.instruction('EXPOSE')}", "LEAT_LISTEN and EXPOSE")
    expect.eq(env["LEAT_DATA"], tree.instruction("VOLUME"), "LEAT_DATA and VOLUME")
    for name in ("ENTRYPOINT", "CMD"):
        assert json.loads(tree.instruction(name)), f"{name} wants the exec form: signals reach leat"
    health = tree.instruction("HEALTHCHECK").partition(" CMD ")[2]
    expect.eq(json.loads(health), ["leat", "health"], "HEALTHCHECK")


def test_one_version_everywhere(t):
    version = re.search(r"version: '([^']+)'", tree.text("meson.build")).group(1)
    expect.eq(re.match(r"leat \(([^)]+)\)", tree.text("debian/changelog")).group(1), version,
              "debian/changelog")
    expect.eq(re.search(r"^ARG VERSION=(.*)$", tree.text("Dockerfile"), re.M).group(1), version,
              "Dockerfile")


def test_the_package_is_built_with_what_dev_installs(t):
    field = re.search(r"^Build-Depends:((?:.*\n)(?: .*\n)*)", tree.text("debian/control"),
                      re.M).group(1)
    wanted = {word.split()[0] for word in field.replace("\n", " ").split(",")}
    dev = set(re.search(r'^build_packages="([^"]*)"', tree.text("dev"), re.M).group(1).split())
    # What is there for every package, and one name that is another's today.
    dev = (dev - {"gcc", "libc6-dev", "pkg-config"}) | {"pkgconf"}
    expect.eq(wanted - {"debhelper-compat", "libyyjson-dev"}, dev, "Build-Depends and ./dev")
    assert "libyyjson-dev" in wanted, "tools/get-yyjson is for older releases"


def test_everything_the_image_copies_gets_past_dockerignore(t):
    allowed = {line[1:].strip("/") for line in tree.text(".dockerignore").splitlines()
               if line.startswith("!")}
    used = {"meson.build", "meson_options.txt", "deploy", "debian", "server", "stages"}
    used |= {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", tree.text("Dockerfile"), re.M)
             for name in (word.split("/")[0] for word in line.split()) if name != "."}
    missing = {name for name in used if name not in allowed}
    expect.eq(missing, set(), "kept out by .dockerignore")
    for name in used:
        assert os.path.exists(tree.path(name)), f"the Dockerfile copies {name}, which is not there"


# -- compose ---------------------------------------------------------------------------


def test_compose_publishes_on_loopback_only(t):
    services = tree.documents("compose.yaml")[0]["services"]
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port} to the world"
    expect.eq(services["leat"]["ports"], [f"127.0.0.1:{PORT}:{PORT}"], "leat's port")


def test_compose_runs_leat_locked_up_on_its_volume(t):
    whole = tree.documents("compose.yaml")[0]
    leat = whole["services"]["leat"]
    expect.eq((leat["read_only"], leat["cap_drop"]), (True, ["ALL"]), "read_only, cap_drop")
    assert "no-new-privileges:true" in leat["security_opt"]
    found = tree.variables_are_known(t, {**tree.image_environment(), **leat["environment"]})
    expect.eq(leat["volumes"], ["leat:" + tree.instruction("VOLUME")], "the volume")
    grace = int(re.fullmatch(r"(\d+)s", leat["stop_grace_period"]).group(1))
    assert grace * 1000 > found["drain_ms"]["value"], "SIGKILL would come before the drain is over"
    named = {volume.split(":")[0] for service in whole["services"].values()
             for volume in service["volumes"] if volume[0] not in "./"}
    expect.eq(named, set(whole["volumes"]), "named volumes")


def test_compose_says_that_it_asks_nobody_or_has_tokens(t):
    """Each of the two starts where the image alone would refuse to."""
    leat = tree.documents("compose.yaml")[0]["services"]["leat"]["environment"]
    more = tree.documents("deploy/compose-tokens.yaml")[0]
    expect.eq((leat["LEAT_INSECURE"], leat["LEAT_HOSTS"]), ("yes", "leat"), "compose.yaml")
    with_tokens = {**tree.image_environment(), **leat, **more["services"]["leat"]["environment"]}
    tree.variables_are_known(t, with_tokens)
    expect.eq(with_tokens["LEAT_INSECURE"], "no", "with tokens")
    for name, service in more["services"].items():
        for secret in service["secrets"]:
            assert secret in more["secrets"], f"{name} has a secret {secret}, which is none"
    expect.eq(with_tokens["LEAT_TOKENS"], "/run/secrets/leat-tokens", "where compose puts it")
    config = more["services"]["prometheus"]["command"][0].partition("=")[2]
    scrape = tree.documents("deploy/prometheus/" + os.path.basename(config))[0]
    plain = tree.documents("deploy/prometheus/prometheus.yml")[0]
    shown = scrape["scrape_configs"][0].pop("authorization")
    expect.eq(shown["credentials_file"], "/run/secrets/leat-prometheus-token", "its token")
    expect.eq(scrape, plain, "prometheus-token.yml is prometheus.yml with a token")


def test_what_compose_mounts_is_there_and_pinned(t):
    services = tree.documents("compose.yaml")[0]["services"]
    for name, service in services.items():
        for volume in service["volumes"]:
            if volume.startswith("./"):
                source, _, mode = volume.split(":")
                assert os.path.exists(tree.path(source)), f"{name} mounts {source}: not there"
                expect.eq(mode, "ro", f"{name}: {source}")
        assert name == "leat" or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), service["image"]
        for other in service.get("depends_on", []):
            assert other in services, f"{name} depends on {other}"


def test_prometheus_and_grafana_find_each_other(t):
    services = tree.documents("compose.yaml")[0]["services"]
    scrape = tree.documents("deploy/prometheus/prometheus.yml")[0]["scrape_configs"]
    targets = [target for job in scrape for row in job["static_configs"] for target in row["targets"]]
    assert f"leat:{PORT}" in targets, targets
    source = tree.documents("deploy/grafana/provisioning/datasources/leat.yml")[0]["datasources"][0]
    expect.eq(source["url"], "http://prometheus:9090", "Grafana's source")
    assert any(port.endswith(":9090") for port in services["prometheus"]["ports"])
    provider = tree.documents("deploy/grafana/provisioning/dashboards/leat.yml")[0]["providers"][0]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    expect.eq(os.path.dirname(home), provider["options"]["path"], "where the dashboards are")
    assert any(volume.split(":")[1] == home for volume in services["grafana"]["volumes"])


# -- Kubernetes ------------------------------------------------------------------------


def test_kubernetes_probes_and_ports_are_the_servers(t):
    _, container = pod()
    ports = {row["name"]: row["containerPort"] for row in container["ports"]}
    expect.eq(ports, {"http": PORT}, "ports")
    expect.eq(environment()["LEAT_LISTEN"], f"0.0.0.0:{PORT}", "LEAT_LISTEN")
    expect.eq(str(PORT), tree.instruction("EXPOSE"), "EXPOSE")
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container[name]["httpGet"]
        assert probe["port"] in ports, f"{name} asks port {probe['port']}"
        expect.status(t.api.get(probe["path"]), 200)
    expect.eq(container["readinessProbe"]["httpGet"]["path"], "/readyz", "readiness")
    for name, row in kinds().items():
        if name.startswith("Service/"):
            for port in row["spec"]["ports"]:
                assert port["targetPort"] in ports, f"{name}: {port}"
    notes = kinds()["StatefulSet/leat"]["spec"]["template"]["metadata"]["annotations"]
    expect.eq(notes["prometheus.io/port"], str(PORT), "port to scrape")
    expect.status(t.api.get(notes["prometheus.io/path"]), 200)


def test_kubernetes_sets_what_leat_knows(t):
    spec, container = pod()
    found = tree.variables_are_known(t, environment())
    assert spec["terminationGracePeriodSeconds"] * 1000 > found["drain_ms"]["value"]
    expect.eq(spec["enableServiceLinks"], False, "a service named leat makes variables LEAT_…")
    claim = kinds()["StatefulSet/leat"]["spec"]["volumeClaimTemplates"][0]
    mount = container["volumeMounts"][0]
    expect.eq(mount["name"], claim["metadata"]["name"], "the volume")
    expect.eq(mount["mountPath"], environment()["LEAT_DATA"], "LEAT_DATA")
    expect.eq(mount["mountPath"], tree.instruction("VOLUME"), "VOLUME")
    secrets = {row["name"]: row["secret"]["secretName"] for row in spec["volumes"]}
    tokens = next(row for row in container["volumeMounts"] if row["name"] == "tokens")
    expect.eq(secrets, {"tokens": "leat-tokens"}, "the secret that the first lines tell to make")
    expect.eq(environment()["LEAT_TOKENS"], tokens["mountPath"] + "/tokens", "LEAT_TOKENS")
    assert "LEAT_INSECURE" not in environment(), "pods of others reach it"
    size = int(re.fullmatch(r"(\d+)Gi", claim["spec"]["resources"]["requests"]["storage"]).group(1))
    assert size << 30 > found["map_size"]["value"], "the disk would be full before leat says 507"


def test_kubernetes_locks_it_up(t):
    spec, container = pod()
    outer, inner = spec["securityContext"], container["securityContext"]
    user = tree.instruction("USER").split(":")
    expect.eq([str(outer["runAsUser"]), str(outer["runAsGroup"])], user, "USER")
    expect.eq(str(outer["fsGroup"]), user[1], "fsGroup: the volume must be writable")
    expect.eq((outer["runAsNonRoot"], outer["seccompProfile"]["type"]), (True, "RuntimeDefault"),
              "the pod")
    expect.eq((inner["allowPrivilegeEscalation"], inner["readOnlyRootFilesystem"],
               inner["capabilities"]["drop"]), (False, True, ["ALL"]), "the container")
    expect.eq(spec["automountServiceAccountToken"], False, "the cluster's token")
    assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]


def test_kubernetes_selectors_select(t):
    rows = kinds()
    stateful = rows["StatefulSet/leat"]["spec"]
    labels = stateful["template"]["metadata"]["labels"]
    expect.eq(stateful["replicas"], 1, "one server a folder")
    assert "Service/" + stateful["serviceName"] in rows
    for name, row in rows.items():
        chosen = {"Service": lambda s: s["selector"],
                  "StatefulSet": lambda s: s["selector"]["matchLabels"],
                  "NetworkPolicy": lambda s: s["podSelector"]["matchLabels"]}[row["kind"]](row["spec"])
        assert chosen.items() <= labels.items(), f"{name} selects {chosen}, not {labels}"
    version = {"Service": "v1", "StatefulSet": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1"}
    for name, row in rows.items():
        expect.eq(row["apiVersion"], version[row["kind"]], name)
