//! Breaks machines, processes and budgets at the rates of a run, and mends what it has broken when the run heals.

use super::Faults;
use crate::chance::Chance;
use crate::machine::{Cut, Machine};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A power cut comes at one of so many operations of the daemon; a visit makes a few dozen.
const CUT_WITHIN_OPERATIONS: u64 = 40;
/// How long a budget allows nothing.
const BUDGET_SPELL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(20)..=Duration::from_mins(2);

/// What there is to break.
pub struct Breakable {
    /// The machines by name.
    pub machines: BTreeMap<String, Arc<Machine>>,
    /// Kills the controller; it is started again.
    pub kill_controller: Box<dyn Fn() + Send + Sync>,
    /// A client for what a person with a grudge does to budgets.
    pub client: Client,
}

/// Breaks things until `faults` are healed, then mends them and returns.
pub async fn run(faults: Arc<Faults>, breakable: Breakable) {
    let chance = faults.breakage();
    let rates = faults.rates();
    futures::join!(
        repeatedly(
            &faults,
            rates.daemon_death_every,
            chance.branch("daemon-death"),
            |draw| {
                if let Some(machine) = breakable.pick(draw) {
                    machine.kill_daemon();
                }
            }
        ),
        repeatedly(
            &faults,
            rates.power_cut_every,
            chance.branch("power-cut"),
            |draw| {
                if let Some(machine) = breakable.pick(draw) {
                    let boots = u64::from(rates.failed_boots_most) + 1;
                    machine.fail_boots(u32::try_from(draw.below(boots)).unwrap_or(0));
                    cut(machine, draw);
                }
            }
        ),
        repeatedly(
            &faults,
            rates.controller_death_every,
            chance.branch("controller-death"),
            |_| {
                (breakable.kill_controller)();
            }
        ),
        empty_budgets(&faults, &breakable, chance.branch("budget-zero")),
    );
    for machine in breakable.machines.values() {
        machine.heal();
    }
}

/// Half of the cuts come at once, half in the middle of what the daemon does next.
fn cut(machine: &Machine, draw: &mut Chance) {
    let at = draw.below(CUT_WITHIN_OPERATIONS);
    match draw.below(4) {
        0 => machine.cut_power_at(at, Cut::Before),
        1 => machine.cut_power_at(at, Cut::After),
        _ => machine.cut_power(),
    }
}

/// Does `what` again and again, on average `every` so often, until the run heals.
async fn repeatedly(
    faults: &Faults,
    every: Option<Duration>,
    mut draw: Chance,
    mut what: impl FnMut(&mut Chance),
) {
    let Some(every) = every else { return };
    while rest(faults, draw.duration(Duration::ZERO..=every * 2)).await {
        what(&mut draw);
    }
}

/// Takes every disruption from one budget after another, for a while each.
async fn empty_budgets(faults: &Faults, breakable: &Breakable, mut draw: Chance) {
    let Some(every) = faults.rates().budget_zero_every else {
        return;
    };
    while rest(faults, draw.duration(Duration::ZERO..=every * 2)).await {
        if let Err(error) = breakable.empty_one_budget(faults, &mut draw).await {
            tracing::debug!(error = %error, "a budget could not be emptied");
        }
    }
}

/// Waits `time`; false where the run healed meanwhile.
async fn rest(faults: &Faults, time: Duration) -> bool {
    tokio::select! {
        biased;
        () = faults.healed() => false,
        () = tokio::time::sleep(time) => true,
    }
}

impl Breakable {
    fn pick(&self, draw: &mut Chance) -> Option<&Machine> {
        let at = usize::try_from(draw.below(self.machines.len() as u64)).ok()?;
        self.machines.values().nth(at).map(Arc::as_ref)
    }

    async fn empty_one_budget(&self, faults: &Faults, draw: &mut Chance) -> kube::Result<()> {
        let all: Api<PodDisruptionBudget> = Api::all(self.client.clone());
        let budgets = all.list(&ListParams::default()).await?.items;
        let at = usize::try_from(draw.below(budgets.len() as u64)).unwrap_or_default();
        let Some(budget) = budgets.get(at) else {
            return Ok(());
        };
        let own: Api<PodDisruptionBudget> =
            Api::namespaced(self.client.clone(), &budget.namespace().unwrap_or_default());
        let name = budget.name_any();
        let zero = json!({ "spec": { "minAvailable": null, "maxUnavailable": 0 } });
        own.patch(&name, &PatchParams::default(), &Patch::Merge(zero))
            .await?;
        rest(faults, draw.duration(BUDGET_SPELL)).await;
        let spec = budget.spec.clone().unwrap_or_default();
        let before = json!({ "spec": { "minAvailable": spec.min_available, "maxUnavailable": spec.max_unavailable } });
        own.patch(&name, &PatchParams::default(), &Patch::Merge(before))
            .await
            .map(drop)
    }
}
