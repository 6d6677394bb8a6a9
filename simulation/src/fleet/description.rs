//! A fleet as its owner describes it, in YAML or in code.

use crate::machine::{MachineSpec, OsMode, StaticPod};
use crate::version::Version;
use api::names::label;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Machines that one description may ask for; each has a kubelet and a daemon of its own in this process.
pub const MACHINES_MAX: usize = 2000;

/// Everything that a simulated cluster begins with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Description {
    /// The API server's instances; at least one.
    pub api_servers: Vec<ApiServerInstance>,
    /// MachineConfigPools.
    pub pools: Vec<Pool>,
    /// Groups of machines that are alike.
    pub machines: Vec<Machines>,
    /// Deployments, with their budgets.
    #[serde(default)]
    pub deployments: Vec<Workload>,
    /// DaemonSets.
    #[serde(default)]
    pub daemon_sets: Vec<Workload>,
    /// Which kubelet each OS image carries, by pull specification.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
}

/// One instance of the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiServerInstance {
    /// Its address, as EndpointSlice `default/kubernetes` lists it.
    pub address: String,
    /// The version that it serves.
    pub version: String,
}

/// One MachineConfigPool: nodes with the label `node-role.kubernetes.io/<name>`, configurations of its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// Its name, which is its role.
    pub name: String,
    /// How many of its nodes may be away at once; absent: 1.
    #[serde(default)]
    pub max_unavailable: Option<IntOrString>,
    /// Whether it also takes the configurations of the role `worker`, as custom pools do.
    #[serde(default)]
    pub inherits_worker: bool,
}

/// Machines that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machines {
    /// What their names begin with: `worker` gives `worker-0`, `worker-1`.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// Their roles, and so their pools.
    pub roles: Vec<String>,
    /// Zones that they are spread over in turn; none: no zone.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Further labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `ID` and `VERSION_ID` of their os-release.
    pub os: (String, String),
    /// How their operating system is kept.
    pub mode: OsMode,
    /// The kubelet that they begin with.
    pub kubelet: String,
    /// Their own API packages, by name.
    #[serde(default)]
    pub api_packages: BTreeMap<String, String>,
    /// The image that they are made from; only in image mode.
    #[serde(default)]
    pub image: Option<String>,
    /// Whether they run an API server and etcd as static pods.
    #[serde(default)]
    pub control_plane: bool,
}

/// Pods that are alike, and the budget that protects them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Its name, and the value of its pods' label `app`.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// How many pods; a DaemonSet has no say in it.
    #[serde(default)]
    pub replicas: i32,
    /// Its PodDisruptionBudget.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// The grace period of its pods in seconds; absent: 30, as Kubernetes.
    #[serde(default)]
    pub grace_seconds: Option<i64>,
    /// How long its pods take to end once told to; absent: the fleet's usual time.
    #[serde(default)]
    pub stop_seconds: Option<u64>,
    /// Labels that its nodes must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Whether its pods have an emptyDir.
    #[serde(default)]
    pub empty_dir: bool,
    /// Whether its pods go to control-plane nodes, too.
    #[serde(default)]
    pub tolerates_control_plane: bool,
}

/// A PodDisruptionBudget, by one of its two fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Budget {
    /// So many pods have to be healthy.
    MinAvailable(IntOrString),
    /// So many pods may be away.
    MaxUnavailable(IntOrString),
}

/// A description that cannot be started.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DescriptionError {
    /// There is nobody to talk to.
    #[error(
        "the fleet's `apiServers` is empty: name at least one instance with address and version"
    )]
    NoApiServer,
    /// Too many machines for one process.
    #[error("the fleet asks for {machines} machines, more than {MACHINES_MAX}: lower the `count`s")]
    TooManyMachines {
        /// How many it asks for.
        machines: usize,
    },
    /// A version that is none.
    #[error("`{value}` in {place} is no version such as 1.33.4")]
    Version {
        /// Where it stands.
        place: String,
        /// What stands there.
        value: String,
    },
    /// Two groups give the same machine name.
    #[error("two groups of `machines` make a machine `{name}`: give them different names")]
    SameName {
        /// The name.
        name: String,
    },
}

impl Description {
    /// The machines that are described, in the order of their groups.
    ///
    /// # Errors
    /// What of the description cannot be started, by name.
    pub fn specs(&self) -> Result<Vec<MachineSpec>, DescriptionError> {
        if self.api_servers.is_empty() {
            return Err(DescriptionError::NoApiServer);
        }
        for (at, instance) in self.api_servers.iter().enumerate() {
            version(&format!("apiServers[{at}].version"), &instance.version)?;
        }
        let machines = self.machines.iter().map(|group| group.count).sum();
        if machines > MACHINES_MAX {
            return Err(DescriptionError::TooManyMachines { machines });
        }
        let images = self
            .images
            .iter()
            .map(|(image, kubelet)| {
                Ok((
                    image.clone(),
                    version(&format!("images[{image}]"), kubelet)?,
                ))
            })
            .collect::<Result<BTreeMap<String, Version>, DescriptionError>>()?;
        let mut names = BTreeSet::new();
        let mut specs = Vec::with_capacity(machines);
        for group in &self.machines {
            let kubelet = version(&format!("machines[{}].kubelet", group.name), &group.kubelet)?;
            for number in 0..group.count {
                let spec = self.spec(group, number, specs.len(), kubelet, &images);
                if !names.insert(spec.name.clone()) {
                    return Err(DescriptionError::SameName { name: spec.name });
                }
                specs.push(spec);
            }
        }
        Ok(specs)
    }

    fn spec(
        &self,
        group: &Machines,
        number: usize,
        overall: usize,
        kubelet: Version,
        images: &BTreeMap<String, Version>,
    ) -> MachineSpec {
        let role = |role: &String| (format!("{}{role}", label::NODE_ROLE_PREFIX), String::new());
        let mut labels: BTreeMap<String, String> = group.labels.clone();
        labels.extend(group.roles.iter().map(role));
        let zone = number
            .checked_rem(group.zones.len())
            .and_then(|at| group.zones.get(at));
        labels.extend(zone.map(|zone| (label::ZONE.to_owned(), zone.clone())));
        let static_pods = if group.control_plane {
            self.static_pods(number)
        } else {
            Vec::new()
        };
        if group.control_plane {
            labels.insert(label::NODE_ROLE_CONTROL_PLANE.to_owned(), String::new());
        }
        MachineSpec {
            name: format!("{}-{number}", group.name),
            os_id: group.os.0.clone(),
            os_version: group.os.1.clone(),
            mode: group.mode,
            kubelet,
            api_packages: group.api_packages.clone(),
            image: group.image.clone(),
            image_kubelets: images.clone(),
            node_labels: labels,
            // 198.18.0.0/15 is set aside for benchmarks (RFC 2544): no real host is ever meant.
            address: format!("198.18.{}.{}", overall / 250, overall % 250 + 1),
            static_pods,
        }
    }

    /// The API server and etcd of the control-plane machine with this number.
    fn static_pods(&self, number: usize) -> Vec<StaticPod> {
        let version = number
            .checked_rem(self.api_servers.len())
            .and_then(|at| self.api_servers.get(at))
            .map_or("latest", |instance| instance.version.as_str());
        let image = |name: &str, tag: &str| format!("registry.k8s.io/{name}:{tag}");
        let version = format!("v{}", version.trim_start_matches('v'));
        vec![
            StaticPod {
                name: "etcd".to_owned(),
                image: image("etcd", "3.6.4-0"),
            },
            StaticPod {
                name: "kube-apiserver".to_owned(),
                image: image("kube-apiserver", &version),
            },
        ]
    }
}

fn version(place: &str, value: &str) -> Result<Version, DescriptionError> {
    Version::parse(value).ok_or_else(|| DescriptionError::Version {
        place: place.to_owned(),
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_workers() -> Description {
        serde_saphyr::from_str(
            "
            apiServers: [{ address: '198.18.200.1:6443', version: v1.33.4 }]
            pools: [{ name: worker, maxUnavailable: 1 }]
            machines:
            - { name: worker, count: 3, roles: [worker], zones: [a, b], os: [fedora, '42'], mode: image, kubelet: 1.33.4 }
            ",
        )
        .unwrap()
    }

    #[test]
    fn machines_are_spread_over_the_zones_in_turn() {
        let specs = three_workers().specs().unwrap();

        let zones: Vec<&str> = specs
            .iter()
            .map(|spec| spec.node_labels[label::ZONE].as_str())
            .collect();
        assert_eq!(zones, ["a", "b", "a"]);
    }

    #[test]
    fn two_groups_of_one_name_are_refused_by_name() {
        let mut fleet = three_workers();
        fleet.machines.extend(fleet.machines.clone());

        assert_eq!(
            fleet.specs(),
            Err(DescriptionError::SameName {
                name: "worker-0".into()
            })
        );
    }

    #[test]
    fn a_kubelet_that_is_no_version_is_refused_with_its_place() {
        let mut fleet = three_workers();
        fleet.machines[0].kubelet = "newest".into();

        let refused = fleet.specs().unwrap_err();

        assert_eq!(
            refused.to_string(),
            "`newest` in machines[worker].kubelet is no version such as 1.33.4"
        );
    }
}
