//! Settings of the process: what the owner of the cluster decides about this controller and not about a pool.
//!
//! A file (every field optional, unknown ones refused) gives them, flags override it. What concerns a pool
//! stands in its RolloutPolicy.

use crate::lease::Times;
use api::names::install;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// Settings of the controller's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Who this process is among the replicas. Must differ between them: the name of the pod does.
    pub identity: String,
    /// The node that this process runs on: of the control plane it goes last. None: not known.
    pub node: Option<String>,
    /// Where the lease lives.
    pub namespace: String,
    /// Who of several replicas works.
    pub lease: Lease,
    /// How often things may be done.
    pub rates: Rates,
    /// How long a pool's inputs have to be left alone before they count.
    pub quiet: Quiet,
    /// Which rendered configs are removed.
    pub pruning: Pruning,
    /// The API server instances that a kubelet may talk to.
    pub instances: Instances,
    /// Treat the first rendered config of every pool as approved. For tests and demonstrations: with
    /// it, installing Windlass may reboot a living fleet.
    pub approve_first: bool,
    /// At most so often the changing facts of a pool's status are written; changes of a condition are
    /// written at once.
    pub status_period: SignedDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            identity: "windlass-controller".to_owned(),
            node: None,
            namespace: install::NAMESPACE.to_owned(),
            lease: Lease::default(),
            rates: Rates::default(),
            quiet: Quiet::default(),
            pruning: Pruning::default(),
            instances: Instances::default(),
            approve_first: false,
            status_period: SignedDuration::from_secs(1),
        }
    }
}

/// The lease between replicas. Defaults are those of the control plane's own controllers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Lease {
    /// The Lease's name.
    pub name: String,
    /// How long a silent leader is believed by the others.
    pub duration: SignedDuration,
    /// A leader that could not renew for so long steps down.
    pub renew_deadline: SignedDuration,
    /// How often a leader renews.
    pub retry_period: SignedDuration,
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            name: install::CONTROLLER.to_owned(),
            duration: SignedDuration::from_secs(15),
            renew_deadline: SignedDuration::from_secs(10),
            retry_period: SignedDuration::from_secs(2),
        }
    }
}

impl Lease {
    /// The times as the lease's rule takes them.
    pub const fn times(&self) -> Times {
        Times {
            duration: self.duration,
            renew_deadline: self.renew_deadline,
            retry_period: self.retry_period,
        }
    }
}

/// How often things may be done, a second in the long run; twice as many at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rates {
    /// Evictions. Two hundred empty ten nodes of thirty pods in half a second, and are a tenth of what an
    /// API server answers.
    pub evictions: NonZeroU32,
    /// Writes of the UpdateInProgress taint. They are advice to the scheduler and off the critical path:
    /// 15,000 nodes have theirs within half an hour.
    pub taints: NonZeroU32,
    /// Other writes on nodes: assignments, cordons, acknowledgements, four a visit. Three hundred nodes whose visits take no
    /// time are through in six seconds.
    pub node_writes: NonZeroU32,
    /// What is shown on MachineConfigNodes. When a pool of 15,000 nodes gets a new target, all of them have
    /// their new reason within five minutes; those that hold a slot have theirs first.
    pub reports: NonZeroU32,
}

impl Default for Rates {
    fn default() -> Self {
        const fn rate(per_second: u32) -> NonZeroU32 {
            match NonZeroU32::new(per_second) {
                Some(rate) => rate,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            evictions: rate(200),
            taints: rate(10),
            node_writes: rate(200),
            reports: rate(50),
        }
    }
}

/// A directory that is applied at once should become one rendered config and one visit to each node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Quiet {
    /// Inputs count once they have been unchanged for so long; `0s`: at once.
    pub period: SignedDuration,
    /// They count after so long even if they keep changing.
    pub at_most: SignedDuration,
}

impl Default for Quiet {
    fn default() -> Self {
        Self {
            period: SignedDuration::from_secs(1),
            at_most: SignedDuration::from_secs(10),
        }
    }
}

/// A rendered config is removed if nothing names it, and both limits are passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Pruning {
    /// So many of a pool's newest are kept, for people who compare and go back.
    pub keep: usize,
    /// Younger ones are kept.
    pub min_age: SignedDuration,
}

impl Default for Pruning {
    fn default() -> Self {
        Self {
            keep: 10,
            min_age: SignedDuration::from_hours(24),
        }
    }
}

/// Which API server instances there are, and how they are asked for their version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Instances {
    /// Their addresses, `host:port`. Empty: those of EndpointSlice `default/kubernetes`.
    pub addresses: Vec<String>,
    /// The balancer in front of them answers for all: one answer counts.
    pub balancer_counts: bool,
    /// How often they are asked.
    pub period: SignedDuration,
    /// One that takes longer has not answered.
    pub patience: SignedDuration,
}

impl Default for Instances {
    fn default() -> Self {
        Self {
            addresses: vec![],
            balancer_counts: false,
            period: SignedDuration::from_secs(5),
            patience: SignedDuration::from_secs(3),
        }
    }
}

/// Flags of the command line; what is given overrides the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Flags {
    /// Who this process is among the replicas; the name of the pod is a good choice
    #[arg(long)]
    pub identity: Option<String>,
    /// The node that this process runs on; of the control plane it goes last
    #[arg(long)]
    pub node: Option<String>,
    /// Namespace of the lease
    #[arg(long)]
    pub namespace: Option<String>,
    /// How long a silent leader is believed, as in `15s`
    #[arg(long)]
    pub lease_duration: Option<SignedDuration>,
    /// How long a pool's inputs have to be left alone before they count, as in `1s`
    #[arg(long)]
    pub quiet_period: Option<SignedDuration>,
    /// Evictions a second
    #[arg(long)]
    pub evictions_per_second: Option<NonZeroU32>,
    /// Newest rendered configs of a pool that are never removed
    #[arg(long)]
    pub keep_rendered: Option<usize>,
    /// Address of an API server instance, `host:port`; repeat for each
    #[arg(long = "instance")]
    pub instances: Vec<String>,
    /// Treat the first rendered config of every pool as approved (tests and demonstrations)
    #[arg(long)]
    pub approve_first: bool,
}

impl Flags {
    /// The settings with what was given on the command line.
    #[must_use]
    pub fn over(self, mut config: Config) -> Config {
        let Self {
            identity,
            node,
            namespace,
            lease_duration,
            quiet_period,
            evictions_per_second,
            keep_rendered,
            instances,
            approve_first,
        } = self;
        set(&mut config.identity, identity);
        config.node = node.or(config.node);
        set(&mut config.namespace, namespace);
        set(&mut config.lease.duration, lease_duration);
        set(&mut config.quiet.period, quiet_period);
        set(&mut config.rates.evictions, evictions_per_second);
        set(&mut config.pruning.keep, keep_rendered);
        if !instances.is_empty() {
            config.instances.addresses = instances;
        }
        config.approve_first |= approve_first;
        config
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// A setting that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A duration that has to be longer than nothing.
    #[error("the setting `{field}` is {value:?}: give a duration above zero")]
    NotPositive {
        /// The field's path.
        field: &'static str,
        /// What it says.
        value: SignedDuration,
    },
    /// A duration that may be nothing at all, and no less.
    #[error("the setting `{field}` is {value:?}: give a duration, or 0s for none")]
    Negative {
        /// The field's path.
        field: &'static str,
        /// What it says.
        value: SignedDuration,
    },
    /// A duration that is stored in whole seconds: a part of one would be lost, and with it a part of the lease.
    #[error("the setting `{field}` is {value:?}: give whole seconds, at least 1")]
    NotWholeSeconds {
        /// The field's path.
        field: &'static str,
        /// What it says.
        value: SignedDuration,
    },
    /// Two settings in the wrong order.
    #[error("the setting `{shorter}` has to be shorter than `{longer}`")]
    WrongOrder {
        /// The path of the one that has to be shorter.
        shorter: &'static str,
        /// The path of the other.
        longer: &'static str,
    },
    /// A name that may not be empty.
    #[error("the setting `{field}` is empty")]
    Empty {
        /// The field's path.
        field: &'static str,
    },
}

impl Config {
    /// Refuses what cannot be meant.
    pub fn validated(self) -> Result<Self, ConfigError> {
        let lease = &self.lease;
        for (field, value) in [
            ("lease.retryPeriod", lease.retry_period),
            ("instances.period", self.instances.period),
            ("instances.patience", self.instances.patience),
            ("statusPeriod", self.status_period),
        ] {
            if value <= SignedDuration::ZERO {
                return Err(ConfigError::NotPositive { field, value });
            }
        }
        if self.quiet.period < SignedDuration::ZERO {
            return Err(ConfigError::Negative {
                field: "quiet.period",
                value: self.quiet.period,
            });
        }
        if lease.duration.as_secs() < 1 || lease.duration.subsec_nanos() != 0 {
            return Err(ConfigError::NotWholeSeconds {
                field: "lease.duration",
                value: lease.duration,
            });
        }
        for (shorter, a, longer, b) in [
            (
                "lease.retryPeriod",
                lease.retry_period,
                "lease.renewDeadline",
                lease.renew_deadline,
            ),
            (
                "lease.renewDeadline",
                lease.renew_deadline,
                "lease.duration",
                lease.duration,
            ),
        ] {
            if a >= b {
                return Err(ConfigError::WrongOrder { shorter, longer });
            }
        }
        for (field, value) in [("identity", &self.identity), ("namespace", &self.namespace)] {
            if value.is_empty() {
                return Err(ConfigError::Empty { field });
            }
        }
        Ok(self)
    }
}

/// A setting as tokio takes it; negative ones count as none.
pub(crate) fn std_duration(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_say_them() {
        let config: Config =
            serde_json::from_str(r#"{"quiet": {"period": "2s"}}"#).expect("it parses");

        assert_eq!(config.quiet.period, SignedDuration::from_secs(2));
        assert_eq!(config.quiet.at_most, SignedDuration::from_secs(10));
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let error = serde_json::from_str::<Config>(r#"{"evictoins": 3}"#).expect_err("a typo");

        assert!(error.to_string().contains("evictoins"), "{error}");
    }

    #[test]
    fn inputs_may_count_at_once_and_not_before() {
        let of = |millis| {
            let mut config = Config::default();
            config.quiet.period = SignedDuration::from_millis(millis);
            config.validated().map(drop).map_err(|e| e.to_string())
        };

        assert_eq!(of(0), Ok(()));
        assert_eq!(
            of(-1),
            Err(
                "the setting `quiet.period` is 1ms ago: give a duration, or 0s for none".to_owned()
            )
        );
    }

    #[test]
    fn a_lease_that_is_renewed_too_late_is_refused() {
        let mut config = Config::default();
        config.lease.duration = SignedDuration::from_secs(5);

        let error = config.validated().expect_err("the deadline is 10 s");

        assert_eq!(
            error.to_string(),
            "the setting `lease.renewDeadline` has to be shorter than `lease.duration`"
        );
    }

    #[test]
    fn a_lease_that_its_object_cannot_hold_is_refused() {
        let refused = [500, 1500].map(|millis| {
            let mut config = Config::default();
            config.lease.duration = SignedDuration::from_millis(millis);
            config.validated().map_err(|error| error.to_string())
        });

        let text = |value| {
            Err(format!(
                "the setting `lease.duration` is {value}: give whole seconds, at least 1"
            ))
        };
        assert_eq!(
            refused.map(|answer| answer.map(|_| ())),
            [text("500ms"), text("1s 500ms")]
        );
    }

    #[test]
    fn a_flag_overrides_the_file_and_leaves_the_rest() {
        let flags = Flags {
            keep_rendered: Some(3),
            ..Flags::default()
        };

        let config = flags.over(Config::default());

        assert_eq!(config.pruning.keep, 3);
        assert_eq!(config.rates, Rates::default());
    }
}
