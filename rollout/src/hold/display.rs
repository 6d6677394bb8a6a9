//! The sentences of holds: what is, and what ends it.

use super::{ClusterFact, Hold, MachinePackagesFact, Withheld};
use std::fmt;

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpToDate => f.write_str("it has its pool's target"),
            Self::NoPool => f.write_str("no pool selects it"),
            Self::SeveralPools(pools) => {
                write!(
                    f,
                    "it would belong to {pools} at once; let one custom pool select it"
                )
            }
            Self::InvalidSelector { pool, error } => {
                write!(f, "the nodeSelector of pool {pool} cannot be read: {error}")
            }
            Self::PoolDeleted => f.write_str("its pool is being deleted, it stays as it is"),
            Self::NoTarget => f.write_str("its pool has no rendered config yet"),
            Self::RenderDegraded => f.write_str(
                "its pool's machine configs do not render; see the pool's RenderDegraded",
            ),
            Self::ConflictingPolicies(policies) => {
                write!(f, "RolloutPolicies {policies} select its pool; let one")
            }
            Self::InvalidPolicy { policy, error } => {
                write!(f, "RolloutPolicy {policy} cannot be read: {error}")
            }
            Self::InvalidBudget { value } => {
                write!(
                    f,
                    "maxUnavailable `{value}` is neither a number nor a percentage such as 10%"
                )
            }
            Self::Paused {
                since: None,
                pending,
            } => {
                write!(f, "its pool is paused, with {pending} nodes pending")
            }
            Self::Paused {
                since: Some(since),
                pending,
            } => {
                write!(
                    f,
                    "its pool is paused since {since}, with {pending} nodes pending"
                )
            }
            Self::BudgetZero => {
                f.write_str("maxUnavailable of its pool allows no node to be taken")
            }
            Self::AwaitingFirstApproval { .. } => self.first_approval(f),
            Self::LedgerUnread => {
                f.write_str("the slot ledger cannot be read, and the nodes are not all listed yet")
            }
            Self::LedgerFull => f.write_str("the slot ledger has no room for another holder"),
            Self::NoFreeSlot { max, taken } => {
                write!(f, "all {max} slots of its pool are taken by {taken}")
            }
            _ => self.fmt_way(f),
        }
    }
}

impl Hold {
    /// Holds that come from the way of the rollout and from the node itself.
    fn fmt_way(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstAlone { config, nodes } => {
                write!(f, "{config} is tried alone first, by {nodes}")
            }
            Self::AfterSlotHolders(holders) => {
                write!(f, "{holders} waited for the kubelet in a slot and go first")
            }
            Self::RolloutStopped { config, max, failed } => write!(
                f,
                "the rollout of {config} stopped after {} of at most {max} failures: {failed}. Correct the \
                 config, or annotate the pool with windlass.dev/approve-config={config}",
                failed.count()
            ),
            Self::ControlPlaneQuorum { allowed, members, away } => write!(
                f,
                "of {members} control-plane nodes {allowed} may be away at a time, and {away} already are"
            ),
            Self::TwoControlPlaneNodes => f.write_str(
                "of two control-plane nodes none can go without etcd losing its quorum; add a third, or set \
                 controlPlane.externalEtcd in a RolloutPolicy",
            ),
            Self::LeaderLast { before } => {
                write!(f, "the controller runs on it, so it goes after {before}")
            }
            Self::InFlight { config, phase } => {
                write!(f, "it is on its way to {config}: {}", phase.words())
            }
            Self::DrainBlocked(drain) => {
                let noun = if drain.blocked == 1 { "pod" } else { "pods" };
                let pods = drain.blocked_by.join(", ");
                write!(f, "its drain waits for {} {noun}: {pods}", drain.blocked)?;
                match drain.blocked.saturating_sub(drain.blocked_by.len()) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::AwaitingFreshReady { config, since: None } => {
                write!(f, "it has {config} and was not freshly Ready since")
            }
            Self::AwaitingFreshReady { config, since: Some(since) } => {
                write!(f, "it has {config} since {since} and was not freshly Ready since")
            }
            Self::OwnPodsNotReady(pods) => write!(f, "its own pods {pods} are not Ready yet"),
            Self::Failed { config, reason } => write!(f, "{config} failed on it: {reason}"),
            Self::NotReady => f.write_str("it is not Ready, which Windlass did not cause"),
            Self::NeverReady => f.write_str("it has never been Ready"),
            Self::Cordoned => f.write_str("somebody else cordoned it"),
            Self::TakenAway(by) => write!(f, "{by}"),
            Self::UnsupportedChange { config, reason } => {
                write!(f, "its host cannot apply {config}: {reason}")
            }
            Self::ConfigUnknown { config } => write!(f, "MachineConfig {config} is not there"),
            Self::KubeletWithheld(withheld) => write!(f, "{withheld}"),
            Self::KubeletAhead { kubelet, instance, serves } => write!(
                f,
                "its kubelet needs an API of {kubelet}, but {instance} serves {serves}: it is ahead of it"
            ),
            Self::AwaitingComposition { target } => {
                write!(f, "{target} without its kubelet part is being made")
            }
            _ => f.write_str(self.reason()),
        }
    }
}

impl Hold {
    /// What whoever approves a pool's first config has to know.
    fn first_approval(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::AwaitingFirstApproval {
            config,
            nodes,
            slots,
            each,
            approved,
        } = self
        else {
            return Ok(());
        };
        write!(
            f,
            "{config} is the first rendered config of its pool and waits for approval; it would go to \
             {nodes} living nodes, {slots} at a time"
        )?;
        if let Some(each) = each {
            write!(f, "; {each}")?;
        }
        write!(
            f,
            ". Annotate the pool with windlass.dev/approve-first={config}"
        )?;
        match approved {
            Some(other) => write!(f, "; it says {other}, which approves nothing here"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kubelet {} waits for its API", self.kubelet)?;
        match &self.machine {
            Some(MachinePackagesFact::Old(version)) => {
                write!(f, "; the machine's own API packages are {version}")?;
            }
            Some(MachinePackagesFact::Unknown) => {
                f.write_str("; nobody says what the machine's own API packages are")?;
            }
            None => {}
        }
        write!(f, "; {}", self.cluster_words())?;
        if !self.ready {
            f.write_str("; the node is not Ready meanwhile, which is the normal course")?;
        }
        Ok(())
    }
}

impl fmt::Display for ClusterFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInstance => f.write_str("no API server instance is known"),
            Self::Behind {
                instance,
                serves,
                count: 0 | 1,
            } => {
                write!(f, "API server {instance} serves {serves}")
            }
            Self::Behind {
                instance,
                serves,
                count,
            } => {
                write!(
                    f,
                    "{count} API servers are behind, {instance} serves {serves}"
                )
            }
            Self::Silent { instance } => write!(f, "API server {instance} does not answer"),
            Self::TooFew { answer, expected } => {
                write!(f, "{answer} of {expected} API servers answer")
            }
            Self::NotSteady { until } => {
                write!(f, "all API servers serve it, which must last until {until}")
            }
            Self::Reported(words) => f.write_str(words),
        }
    }
}
