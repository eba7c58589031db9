//! A cluster of 50,000 objects and 20 policies, as `kubectl get -o yaml` prints them.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

/// Objects of each kind, of 50,000.
const KINDS: [(&str, &str, usize); 8] = [
    ("v1", "Namespace", 200),
    ("apps/v1", "Deployment", 5_000),
    ("apps/v1", "ReplicaSet", 6_000),
    ("v1", "Pod", 20_000),
    ("v1", "ConfigMap", 8_000),
    ("v1", "Service", 5_000),
    ("v1", "ServiceAccount", 4_800),
    ("networking.k8s.io/v1", "Ingress", 1_000),
];

/// Namespaces of the cluster.
const NAMESPACES: usize = 200;

/// Writes `dump.yaml`, with `objects` of the 50,000 objects, and returns how many there are.
pub(crate) fn write(folder: &Path, objects: usize) -> io::Result<usize> {
    let mut out = io::BufWriter::new(fs::File::create(folder.join("dump.yaml"))?);
    writeln!(out, "apiVersion: v1\nitems:")?;
    let mut written = 0;
    for (version, kind, all) in KINDS {
        for number in 0..(all * objects).div_ceil(50_000) {
            object(&mut out, version, kind, number)?;
            written += 1;
        }
    }
    writeln!(out, "kind: List\nmetadata:\n  resourceVersion: \"\"")?;
    out.flush().map(|()| written)
}

fn object(out: &mut impl io::Write, version: &str, kind: &str, number: usize) -> io::Result<()> {
    let name = format!("{}-{number}", kind.to_lowercase());
    writeln!(out, "- apiVersion: {version}\n  kind: {kind}\n  metadata:\n    annotations:")?;
    writeln!(out, "      example.com/revision: \"{}\"", number % 9)?;
    writeln!(out, "    creationTimestamp: \"2026-01-01T00:00:00Z\"\n    labels:\n      app: app-{}", number % 700)?;
    for (label, every) in [("owner", 3), ("tier", 4), ("cost", 5), ("team", 7)] {
        if !number.is_multiple_of(every) {
            writeln!(out, "      {label}: {label}-{}", number % 11)?;
        }
    }
    writeln!(out, "    name: {name}")?;
    if kind != "Namespace" {
        writeln!(out, "    namespace: namespace-{}", number % NAMESPACES)?;
    }
    let owner = match kind {
        "Pod" => Some(("ReplicaSet", number % 6_000)),
        "ReplicaSet" if number < 5_000 => Some(("Deployment", number)),
        _ => None,
    };
    if let Some((kind, number)) = owner {
        let name = format!("{}-{number}", kind.to_lowercase());
        writeln!(
            out,
            "    ownerReferences:\n    - apiVersion: apps/v1\n      blockOwnerDeletion: true\n      controller: true"
        )?;
        writeln!(out, "      kind: {kind}\n      name: {name}\n      uid: 00000000-0000-4000-8000-{number:012}")?;
    }
    writeln!(out, "    resourceVersion: \"{number}\"\n    uid: 00000000-0000-4000-8000-{number:012}")?;
    match kind {
        "Pod" => pod(out, "  ", number),
        "Deployment" | "ReplicaSet" => {
            writeln!(
                out,
                "  spec:\n    replicas: 3\n    selector:\n      matchLabels:\n        app: app-{}",
                number % 700
            )?;
            writeln!(out, "    template:\n      metadata:\n        labels:\n          app: app-{}", number % 700)?;
            pod(out, "      ", number)
        }
        "ConfigMap" => {
            writeln!(out, "  data:")?;
            (0..20).try_for_each(|key| writeln!(out, "    key-{key}: the value of a setting, which is {number}"))
        }
        "Service" => writeln!(out, "  spec:\n    ports:\n    - port: 80\n      targetPort: 8080\n    type: ClusterIP"),
        "Ingress" => writeln!(out, "  spec:\n    rules:\n    - host: host-{}.example.com", number % 990),
        _ => Ok(()),
    }
}

/// The spec and the status of a pod, at this indentation.
fn pod(out: &mut impl io::Write, indent: &str, number: usize) -> io::Result<()> {
    writeln!(out, "{indent}spec:\n{indent}  containers:")?;
    for container in 0..2 {
        writeln!(
            out,
            "{indent}  - name: container-{container}\n{indent}    image: ghcr.io/acme/app-{}:1.{container}",
            number % 300
        )?;
        writeln!(out, "{indent}    imagePullPolicy: IfNotPresent\n{indent}    env:")?;
        for variable in 0..8 {
            writeln!(
                out,
                "{indent}    - name: VARIABLE_{variable}\n{indent}      value: the value of variable {variable}"
            )?;
        }
        writeln!(
            out,
            "{indent}    resources:\n{indent}      limits:\n{indent}        cpu: 500m\n{indent}        memory: 512Mi"
        )?;
        writeln!(out, "{indent}    securityContext:\n{indent}      runAsNonRoot: {}", !number.is_multiple_of(5))?;
        writeln!(
            out,
            "{indent}    volumeMounts:\n{indent}    - mountPath: /var/run/secrets\n{indent}      name: token\n{indent}      readOnly: true"
        )?;
    }
    writeln!(
        out,
        "{indent}  dnsPolicy: ClusterFirst\n{indent}  nodeName: node-{}\n{indent}  priority: 0",
        number % 400
    )?;
    writeln!(out, "{indent}  restartPolicy: Always\n{indent}  serviceAccountName: default\n{indent}  tolerations:")?;
    writeln!(
        out,
        "{indent}  - effect: NoExecute\n{indent}    key: node.kubernetes.io/not-ready\n{indent}    operator: Exists"
    )?;
    writeln!(out, "{indent}  volumes:\n{indent}  - name: token\n{indent}    emptyDir: {{}}")?;
    if indent != "  " {
        return Ok(());
    }
    writeln!(out, "  status:\n    conditions:")?;
    for condition in ["Initialized", "Ready", "ContainersReady", "PodScheduled"] {
        writeln!(
            out,
            "    - lastProbeTime: null\n      lastTransitionTime: \"2026-01-01T00:00:00Z\"\n      status: \"True\"\n      type: {condition}"
        )?;
    }
    writeln!(
        out,
        "    hostIP: 10.0.0.{}\n    phase: Running\n    podIP: 10.1.0.{}\n    qosClass: Burstable",
        number % 250,
        number % 250
    )
}

/// Rules of everything in the dump, without wildcards.
const EVERYTHING: &str = "[{ apiGroups: [''], apiVersions: [v1], resources: [namespaces, pods, configmaps, services, serviceaccounts], \
                          operations: [CREATE] }, { apiGroups: [apps], apiVersions: [v1], resources: [deployments, replicasets], \
                          operations: [CREATE] }, { apiGroups: [networking.k8s.io], apiVersions: [v1], resources: [ingresses], \
                          operations: [CREATE] }]";
const WORKLOADS: &str = "[{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }, \
                         { apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE] }]";
const PODS: &str = "[{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]";
const INGRESSES: &str =
    "[{ apiGroups: [networking.k8s.io], apiVersions: [v1], resources: [ingresses], operations: [CREATE] }]";

/// Writes `policies.yaml` with 20 policies, and their modules. Fourteen are about every object.
pub(crate) fn write_policies(folder: &Path, testdata: &Path) -> io::Result<()> {
    let mut text = String::new();
    for name in ["safe-labels", "default-labels", "unique-host", "rego-labels", "gatekeeper-labels"] {
        let from = testdata.join("policies").join(name);
        let status = Command::new(env!("CARGO_BIN_EXE_verify"))
            .arg("annotate")
            .arg(from.join("policy.wasm"))
            .arg("-m")
            .arg(from.join("metadata.yml"))
            .arg("-o")
            .arg(folder.join(format!("{name}.wasm")))
            .output()?
            .status;
        assert!(status.success(), "{name}");
    }
    let mut add = |name: &str, module: &str, spec: &str| {
        let module = folder.join(format!("{module}.wasm")).display().to_string();
        text.push_str(&format!(
            "---\napiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{ name: {name} }}\n\
             spec: {{ module: 'file://{module}', {spec} }}\n"
        ));
    };
    for number in 0..14 {
        let labels = ["owner", "tier", "cost", "team", "app"];
        let (one, other) = (labels[number % 5], labels[(number / 5 + number + 1) % 5]);
        let mode = if number % 4 == 3 { "monitor" } else { "protect" };
        let spec = format!(
            "mode: {mode}, mutating: false, rules: {EVERYTHING}, settings: {{ mandatory_labels: [{one}, {other}] }}"
        );
        add(&format!("labels-{number}"), "safe-labels", &spec);
    }
    for label in ["team", "cost", "tier"] {
        let spec = format!("mutating: true, rules: {WORKLOADS}, settings: {{ labels: {{ {label}: none }} }}");
        add(&format!("default-{label}"), "default-labels", &spec);
    }
    let ingress = "contextAwareResources: [{ apiVersion: networking.k8s.io/v1, kind: Ingress }]";
    add("hosts", "unique-host", &format!("mutating: false, {ingress}, rules: {INGRESSES}"));
    add(
        "rego",
        "rego-labels",
        &format!("mutating: false, rules: {PODS}, settings: {{ mandatory_labels: [owner], owner: '^owner-' }}"),
    );
    add("gatekeeper", "gatekeeper-labels", &format!("mutating: false, rules: {PODS}, settings: {{ labels: [tier] }}"));
    fs::write(folder.join("policies.yaml"), text)
}
