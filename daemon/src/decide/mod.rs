//! What a config would do to this machine: from the old config, the new one, and what is really on the disk, to the
//! actions that have to follow and whether pods have to leave. Pure.
//!
//! Rules (design.md 3 to 5, reference/machine-config.md 2.8 and 2.13):
//! - What this machine cannot apply in place is refused, before anything is touched.
//! - Two differences count: old config against new one, for what was written there by us; and the disk against the new
//!   one, for what somebody else changed. On first contact there is only the disk: what is on it as the config wants it
//!   disrupts nothing.
//! - A new minor version of the kubelet always drains; a kubelet that is installed is restarted.

mod found;

#[cfg(test)]
mod tests;

use crate::apply::{Survey, kubelet_suffices};
use crate::config::Rendered;
use crate::core::{Action, Failure, Proposal};
use rendering::changes::Changes;
use rendering::configuration::Configuration;
use rendering::disruption::{self, Policy};
use rendering::reconcile::{self, Capabilities, Capability};
use rendering::split::{KubeletPaths, split};

/// Everything that is weighed.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The config that the disk was last proven to be; `None` on first contact.
    pub old: Option<&'a Rendered>,
    /// The config that is wanted.
    pub new: &'a Rendered,
    /// The machine, as far as the new config and the originals name it.
    pub survey: &'a Survey,
    /// The published disruption policy, or the built-in one.
    pub policy: &'a Policy,
    /// What this machine can apply in place.
    pub capabilities: &'a Capabilities,
}

/// Weighs a config.
///
/// # Errors
///
/// Why this machine cannot take it.
pub fn propose(facts: &Facts<'_>) -> Result<Proposal, Failure> {
    let Facts {
        old, new, survey, ..
    } = facts;
    let refuse = |error: String| Failure::Irreconcilable {
        config: new.configuration.name.clone(),
        error,
    };
    let found = found::configuration(new, survey);
    let before = old.map(|old| &old.configuration);
    reconcile::reconcilable(before, &new.configuration, facts.capabilities)
        .map_err(|refusal| refuse(refusal.to_string()))?;
    for name in new.content.users.keys() {
        if !survey.users.get(name).is_some_and(Option::is_some) {
            return Err(refuse(format!("this machine has no user {name}")));
        }
    }
    if let Some(version) = missing_kubelet(new, survey)
        && !facts.capabilities.has(Capability::KubeletPackage)
    {
        return Err(refuse(format!(
            "it needs kubelet {version}, and this node's backend installs no packages; install it by hand"
        )));
    }
    let mut proposal = Proposal {
        on_trial: is_on_trial(*old, new, survey),
        withholds: new.withholds(),
        kubelet: survey.kubelet.clone().filter(|_| survey.package_mode),
        ..Proposal::default()
    };
    for before in [before, Some(&found)].into_iter().flatten() {
        let judged = judge(before, facts).map_err(refuse)?;
        proposal.drain |= judged.needs_drain();
        merge(&mut proposal.actions, judged.actions);
    }
    restart_kubelet(&mut proposal, new, survey);
    if proposal.actions.contains(&Action::Reboot) {
        proposal.actions = vec![Action::Reboot];
    }
    Ok(proposal)
}

fn judge(before: &Configuration, facts: &Facts<'_>) -> Result<disruption::Disruption, String> {
    let new = &facts.new.configuration;
    let changes = Changes::between(Some(before), new);
    disruption::judge(Some(before), new, &changes, facts.policy).map_err(|error| {
        let mut text = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            text.push_str(": ");
            text.push_str(&cause.to_string());
        }
        text
    })
}

/// Adds what is not asked for yet. Within one list repetitions stay, as the policy has them.
fn merge(actions: &mut Vec<Action>, more: Vec<disruption::Action>) {
    let asked = actions.clone();
    let more = more.into_iter().filter_map(action);
    actions.extend(more.filter(|action| !asked.contains(action)));
}

fn action(action: disruption::Action) -> Option<Action> {
    use disruption::Action as Asked;
    match action {
        // A drain comes before the change, and nothing is nothing.
        Asked::None | Asked::Drain => None,
        Asked::Reboot => Some(Action::Reboot),
        Asked::DaemonReload => Some(Action::DaemonReload),
        Asked::Reload(service) => Some(Action::Reload { service }),
        Asked::Restart(service) => Some(Action::Restart { service }),
        // The runtime reads registries.conf anew (reference/machine-config.md 2.13).
        Asked::Special => Some(Action::Reload {
            service: "crio.service".to_owned(),
        }),
    }
}

/// A kubelet that is installed runs only once its unit is restarted.
fn restart_kubelet(proposal: &mut Proposal, new: &Rendered, survey: &Survey) {
    if missing_kubelet(new, survey).is_none() {
        return;
    }
    let restart = Action::Restart {
        service: "kubelet.service".to_owned(),
    };
    for action in [Action::DaemonReload, restart] {
        if !proposal.actions.contains(&action) {
            proposal.actions.push(action);
        }
    }
}

/// The version of the kubelet package that the machine has not got.
fn missing_kubelet<'a>(new: &'a Rendered, survey: &Survey) -> Option<&'a String> {
    let wanted = new.content.kubelet_version.as_ref()?;
    let installed = survey.kubelet.as_deref().unwrap_or_default();
    (survey.package_mode && !kubelet_suffices(installed, wanted)).then_some(wanted)
}

/// Whether image or kubelet part change.
fn is_on_trial(old: Option<&Rendered>, new: &Rendered, survey: &Survey) -> bool {
    let Some(old) = old else {
        return false;
    };
    let part = |config: &Rendered| {
        let halves = split(&config.object, &KubeletPaths::default()).ok();
        halves.map(|(kubelet_part, _)| kubelet_part.digest())
    };
    let wish = new.content.system.image.as_ref();
    let new_image = wish.is_some_and(|image| survey.next.image.as_ref() != Some(image));
    new_image || part(old) != part(new)
}
