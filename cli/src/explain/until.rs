//! What ends each hold, and what follows then: the second half of "why, and until when?".
//!
//! The first half is the hold's own sentence (`rollout::hold`); `docs/guide/holds.md` tells both, with what a person can do.

use rollout::hold::{ClusterFact, Hold, Phase, Withheld};

/// What ends the hold. `None`: nothing has to; the node is as it should be, or nobody's.
pub(crate) fn until(hold: &Hold) -> Option<String> {
    let text = match hold {
        Hold::UpToDate => return None,
        Hold::NoPool => "a pool's nodeSelector selects it".to_owned(),
        Hold::SeveralPools(_) => "one custom pool alone selects it".to_owned(),
        Hold::InvalidSelector { pool, .. } => {
            format!("spec.nodeSelector of pool {pool} can be read")
        }
        Hold::PoolDeleted => "another pool selects it".to_owned(),
        Hold::NoTarget => "its pool has rendered".to_owned(),
        Hold::RenderDegraded => "the pool's machine configs render".to_owned(),
        Hold::ConflictingPolicies(_) => "one RolloutPolicy alone selects its pool".to_owned(),
        Hold::InvalidPolicy { policy, .. } => format!("RolloutPolicy {policy} is corrected"),
        Hold::InvalidBudget { .. } => "spec.maxUnavailable of its pool is corrected".to_owned(),
        Hold::Paused { .. } => "spec.paused of its pool is false".to_owned(),
        Hold::BudgetZero => "spec.maxUnavailable of its pool is above zero".to_owned(),
        Hold::AwaitingFirstApproval { config, .. } => {
            format!("its pool is annotated with windlass.dev/approve-first={config}")
        }
        Hold::LedgerUnread => "the controller has read the slot ledger, or all nodes".to_owned(),
        Hold::LedgerFull => "a slot is given back, in any pool".to_owned(),
        _ => return until_on_the_way(hold),
    };
    Some(text)
}

/// Holds that come from the rollout's way and from the node itself.
fn until_on_the_way(hold: &Hold) -> Option<String> {
    let text = match hold {
        Hold::NoFreeSlot { taken, .. } => format!("one of {taken} is through, or Ready again"),
        Hold::FirstAlone { nodes, .. } => format!("{nodes}: Done, and freshly Ready with it"),
        Hold::AfterSlotHolders(holders) => {
            format!("{holders}: given the kubelet that they wait for")
        }
        Hold::RolloutStopped { config, .. } => {
            format!(
                "the config is corrected, or the pool annotated with windlass.dev/approve-config={config}"
            )
        }
        Hold::ControlPlaneQuorum { away, .. } => format!("one of {away} is back"),
        Hold::TwoControlPlaneNodes => {
            "there is a third control-plane node, or etcd runs elsewhere".to_owned()
        }
        Hold::LeaderLast { before } => format!("{before}: updated"),
        Hold::InFlight { phase, .. } => ends(*phase).to_owned(),
        Hold::DrainBlocked(_) => {
            "those pods may go: it is tried again when pod or budget changes".to_owned()
        }
        Hold::AwaitingFreshReady { .. } => "its kubelet reports Ready after the change".to_owned(),
        Hold::OwnPodsNotReady(pods) => format!("{pods}: Ready"),
        Hold::Failed { .. } => {
            "a corrected config is there: it goes first, in the slot that it has".to_owned()
        }
        Hold::NotReady => "it is Ready again".to_owned(),
        Hold::NeverReady => "its kubelet has once been Ready".to_owned(),
        Hold::Cordoned => "the one who cordoned it uncordons it".to_owned(),
        Hold::TakenAway(_) => "it stays after all".to_owned(),
        Hold::UnsupportedChange { .. } => {
            "the config asks for nothing that its host cannot do".to_owned()
        }
        Hold::ConfigUnknown { config } => format!("MachineConfig {config} is there"),
        Hold::KubeletWithheld(withheld) => missing(withheld),
        Hold::KubeletAhead { kubelet, .. } => format!("every API server serves {kubelet} again"),
        Hold::AwaitingComposition { .. } => "the controller has made it".to_owned(),
        _ => return None,
    };
    Some(text)
}

/// Both facts of the kubelet gate, as far as they are missing.
fn missing(withheld: &Withheld) -> String {
    let Withheld {
        kubelet,
        machine,
        cluster,
        ready: _,
    } = withheld;
    let machine = machine.map(|_| format!("the machine's own API packages are {kubelet}"));
    let cluster = cluster.as_ref().map(|fact| match fact {
        ClusterFact::NotSteady { until } => {
            format!("all API servers have served {kubelet} without a break, at {until}")
        }
        ClusterFact::NoInstance
        | ClusterFact::Behind { .. }
        | ClusterFact::Silent { .. }
        | ClusterFact::TooFew { .. }
        | ClusterFact::Reported(_) => format!("every API server serves {kubelet}"),
    });
    let both: Vec<String> = [machine, cluster].into_iter().flatten().collect();
    if both.is_empty() {
        "the controller's next round".to_owned()
    } else {
        both.join(", and ")
    }
}

/// What ends a phase.
const fn ends(phase: Phase) -> &'static str {
    match phase {
        Phase::Unwritten => "the controller has written the assignment",
        Phase::Assigned => "its daemon has seen the assignment",
        Phase::Draining => "its pods are gone",
        Phase::Working => "its daemon has applied the config",
        Phase::Rebooting => "the machine is back, and its daemon has proved the config on the disk",
        Phase::Uncordoning => "its former cordon is restored",
        Phase::Recording => "the controller has recorded the assignment",
    }
}

/// What follows a phase.
pub(crate) const fn after(phase: Phase) -> &'static str {
    match phase {
        Phase::Unwritten => "its daemon reads the config",
        Phase::Assigned => "it is drained if the change asks for it, and the config applied",
        Phase::Draining => "its daemon applies the config",
        Phase::Working => "what the change asks for (below), then the proof on the disk",
        Phase::Rebooting => "it is uncordoned",
        Phase::Uncordoning => "a fresh Ready, then its slot is given back",
        Phase::Recording => "its slot is given back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollout::hold::MachinePackagesFact;
    use rollout::version::Version;

    #[test]
    fn a_withheld_kubelet_names_only_what_is_missing() {
        let mut withheld = Withheld {
            kubelet: Version::minor(1, 34),
            machine: Some(MachinePackagesFact::Old(Version::minor(1, 33))),
            cluster: Some(ClusterFact::NoInstance),
            ready: true,
        };
        assert_eq!(
            until(&Hold::KubeletWithheld(withheld.clone())).as_deref(),
            Some("the machine's own API packages are 1.34, and every API server serves 1.34")
        );

        withheld.machine = None;

        assert_eq!(
            until(&Hold::KubeletWithheld(withheld)).as_deref(),
            Some("every API server serves 1.34")
        );
    }

    #[test]
    fn only_an_updated_node_waits_for_nothing() {
        assert_eq!(until(&Hold::UpToDate), None);
        assert!(until(&Hold::NotReady).is_some());
        assert!(until(&Hold::NoPool).is_some());
    }
}
