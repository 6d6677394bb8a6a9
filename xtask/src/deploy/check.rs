//! Renders base and chart with the real tools, and compares; plays the alerts.
//!
//! # Guarantees
//! Both give the same objects, bare and with everything switched on; the chart refuses values that it does not know;
//! in another namespace nothing of ours points at the usual one; each alert fires and is silent as its test says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{RULES, helm};
use crate::tools;

const CHART: &str = "deploy/helm/windlass";
const TESTS: &str = "deploy/alerts/windlass.test.yaml";

/// Checks all of it.
pub(crate) fn run(root: &Path) -> Result<()> {
    let chart = Chart {
        root,
        helm: tools::helm()?,
    };
    let everything = helm::all_on();
    for (overlay, arguments) in [("base", &[][..]), ("everything", &everything[..])] {
        let kustomized = objects(&kustomize(root, overlay)?)?;
        let templated = objects(&chart.template("windlass", arguments)?)?;
        let count = compare(kustomized, templated)
            .with_context(|| format!("comparing the chart with the kustomization {overlay}"))?;
        println!("manifests: {overlay} and the chart give the same {count} objects");
    }
    chart.lints()?;
    chart.refuses("controller.replcas=3", "replcas")?;
    chart.refuses("controller.config.quiet.perod=2s", "perod")?;
    let elsewhere = chart.template("elsewhere", &everything)?;
    ensure!(
        !elsewhere.contains(":windlass:") && !elsewhere.contains("namespace: windlass\n"),
        "the chart installed elsewhere points at the namespace windlass"
    );
    alerts(root)
}

struct Chart<'a> {
    root: &'a Path,
    helm: std::path::PathBuf,
}

impl Chart<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.helm);
        command.args(arguments).current_dir(self.root);
        command
    }

    fn template(&self, namespace: &str, more: &[String]) -> Result<String> {
        let mut command = self.command(&["template", "windlass", CHART, "--namespace", namespace]);
        output(command.args(more))
    }

    fn lints(&self) -> Result<()> {
        output(&mut self.command(&["lint", "--strict", CHART])).map(drop)
    }

    /// A value that it does not know, by name.
    fn refuses(&self, set: &str, named: &str) -> Result<()> {
        let mut command = self.command(&["template", "windlass", CHART, "--set", set]);
        let told = command.output().context("starting helm")?;
        let error = String::from_utf8_lossy(&told.stderr);
        ensure!(
            !told.status.success() && error.contains(named),
            "the chart takes --set {set}: {error}"
        );
        Ok(())
    }
}

fn kustomize(root: &Path, overlay: &str) -> Result<String> {
    let folder = format!("deploy/kustomize/{overlay}");
    output(
        Command::new("kubectl")
            .args(["kustomize", &folder])
            .current_dir(root),
    )
}

fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let told = command
        .output()
        .with_context(|| format!("starting {shown}"))?;
    if !told.status.success() {
        bail!(
            "{shown} ended with {}: {}",
            told.status,
            String::from_utf8_lossy(&told.stderr)
        );
    }
    String::from_utf8(told.stdout).with_context(|| format!("reading what {shown} said"))
}

type Objects = BTreeMap<String, Value>;

/// By what they are called, without what is not compared: the namespace, which a chart finds, and that Helm keeps CRDs.
fn objects(text: &str) -> Result<Objects> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).context("reading the manifests as YAML")?;
    let mut objects = Objects::new();
    for mut object in documents {
        if object.is_null() || object["kind"] == "Namespace" {
            continue;
        }
        forget_what_keeps(&mut object);
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or("-");
        let name = format!(
            "{} {}/{}",
            text("/kind"),
            text("/metadata/namespace"),
            text("/metadata/name")
        );
        if objects.insert(name.clone(), object).is_some() {
            bail!("{name} is there twice");
        }
    }
    Ok(objects)
}

fn forget_what_keeps(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    annotations.remove(helm::KEEP.0);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// Where two manifests differ first. Numbers that mean the same are the same: kustomize writes 0 as 0, and we as 0.0.
fn difference(a: &Value, b: &Value, at: &str) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let at = format!("{at}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => difference(a, b, &at),
                    (a, b) => Some(format!("{at}: {a:?} and {b:?}")),
                }
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => (0..)
            .zip(a.iter().zip(b))
            .find_map(|(index, (a, b))| difference(a, b, &format!("{at}[{index}]"))),
        (Value::Number(x), Value::Number(y)) if x.as_f64() == y.as_f64() => None,
        (a, b) => (a != b).then(|| format!("{at}: {a} and {b}")),
    }
}

fn compare(mut kustomized: Objects, templated: Objects) -> Result<usize> {
    let count = templated.len();
    for (name, of_chart) in templated {
        let of_base = kustomized
            .remove(&name)
            .with_context(|| format!("{name} is in the chart alone"))?;
        if let Some(difference) = difference(&of_base, &of_chart, "") {
            bail!("{name} differs between kustomize and the chart at {difference}");
        }
    }
    if let Some(name) = kustomized.keys().next() {
        bail!("{name} is in the kustomization alone");
    }
    ensure!(count > 0, "there is nothing to compare");
    Ok(count)
}

fn alerts(root: &Path) -> Result<()> {
    let promtool = tools::promtool()?;
    for arguments in [["check", "rules", RULES], ["test", "rules", TESTS]] {
        let told = output(Command::new(&promtool).args(arguments).current_dir(root))?;
        print!("promtool: {told}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(replicas: u32) -> Objects {
        objects(&format!(
            "kind: Deployment\nmetadata: {{name: a, namespace: b}}\nspec: {{replicas: {replicas}}}\n"
        ))
        .unwrap()
    }

    #[test]
    fn an_object_that_differs_or_is_in_one_alone_is_named() {
        assert!(compare(one(1), one(1)).is_ok());
        for (a, b) in [
            (one(1), one(2)),
            (one(1), Objects::new()),
            (Objects::new(), one(1)),
            (Objects::new(), Objects::new()),
        ] {
            assert!(compare(a, b).is_err());
        }
    }

    #[test]
    fn what_keeps_a_crd_is_not_compared() {
        let kept =
            objects("kind: A\nmetadata: {name: a, annotations: {helm.sh/resource-policy: keep}}\n")
                .unwrap();

        assert_eq!(
            kept.values().next(),
            Some(&json!({"kind": "A", "metadata": {"name": "a"}}))
        );
    }
}
