//! Carrying out what the core asks for: on the machine, with what the cluster or the disk gives.
//!
//! Each function ends in the event that answers its effect. Any of them may be dropped at any await: the journal says
//! what was asked for, and asking again finishes it.

use crate::apply::{self, Content, Survey};
use crate::config::Rendered;
use crate::core::{Action, Effect, Event, Failure, Order, Proposal};
use crate::decide::{self, Facts};
use crate::host::{Host, HostError};
use crate::journal;
use crate::remote;
use api::operator::{MachineConfiguration, StorageOverride};
use rendering::disruption::Policy;
use std::future::Future;
use std::time::Duration;

/// How long a machine may take to go down once it has said that it reboots: services that ignore the request to stop
/// hold it for minutes, none for this long.
const GOING_DOWN_MAX: Duration = Duration::from_mins(30);

/// Where configs and policy come from: two objects for each visit.
pub trait Source: Send + Sync + 'static {
    /// Rendered config `name` as JSON, `None` where there is none of that name.
    fn config(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, SourceError>> + Send;

    /// MachineConfiguration `cluster` as JSON, `None` where there is none, or no such kind.
    fn policy(&self) -> impl Future<Output = Result<Option<Vec<u8>>, SourceError>> + Send;
}

/// The source did not answer; worth another try.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not give what this node's next config needs")]
pub struct SourceError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl SourceError {
    /// With what it said.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Reads config and policy and weighs them against the machine: the answer to [`Effect::Prepare`].
///
/// Offline, everything comes from the disk: whatever is missing there is a failure.
///
/// # Errors
///
/// The source did not answer. What is wrong with its answer, or with the machine, is in the event.
pub async fn prepare(
    host: &impl Host,
    source: &impl Source,
    order: &Order,
    on_disk: Option<&str>,
    offline: bool,
) -> Result<Event, SourceError> {
    let proposal = match weigh(host, source, order, on_disk, offline).await {
        Ok(proposal) => Ok(proposal),
        Err(Unprepared::Failed(failure)) => Err(failure),
        Err(Unprepared::Unanswered(error)) => return Err(error),
    };
    Ok(Event::Prepared {
        intent: order.intent,
        proposal,
        kubelet_answers: host.kubelet_answers().await,
    })
}

enum Unprepared {
    Failed(Failure),
    Unanswered(SourceError),
}

impl From<Failure> for Unprepared {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<SourceError> for Unprepared {
    fn from(error: SourceError) -> Self {
        Self::Unanswered(error)
    }
}

impl From<HostError> for Unprepared {
    fn from(error: HostError) -> Self {
        Self::Failed(Failure::SurveyFailed {
            error: error.in_full(),
        })
    }
}

async fn weigh(
    host: &impl Host,
    source: &impl Source,
    order: &Order,
    on_disk: Option<&str>,
    offline: bool,
) -> Result<Proposal, Unprepared> {
    let rules = rules(host, source, offline).await?;
    let new = fetch(host, source, &order.config, offline).await?;
    let mut new = read(&order.config, &new)?;
    bring_contents(host, &mut new, offline).await?;
    let old = match on_disk {
        None => None,
        Some(name) => match journal::load_config(host, name).await? {
            // Without its own config, or with one that a damaged disk no longer gives back, the files are all that is known.
            None => None,
            Some(blob) => read(name, &blob).ok(),
        },
    };
    let survey = Survey::of(host, &new.content).await?;
    let facts = host.facts().await?;
    let proposal = decide::propose(&Facts {
        old: old.as_ref(),
        new: &new,
        survey: &survey,
        policy: &rules.policy,
        capabilities: &facts.capabilities.with_overrides(&rules.overrides),
    })?;
    Ok(proposal)
}

/// Contents from elsewhere: offline, only those that are kept.
async fn bring_contents(
    host: &impl Host,
    new: &mut Rendered,
    offline: bool,
) -> Result<(), Unprepared> {
    let brought = if offline {
        let missing = remote::fill(host, new).await?;
        missing.map_or(Ok(()), |path| Err(no_longer_kept(&path)))
    } else {
        remote::bring(host, new).await
    };
    brought.map_err(|error| {
        Unprepared::Failed(Failure::ConfigUnreadable {
            config: new.configuration.name.clone(),
            error,
        })
    })
}

fn no_longer_kept(path: &str) -> String {
    format!("the contents of file {path} are no longer on the disk")
}

fn read(name: &str, blob: &[u8]) -> Result<Rendered, Failure> {
    Rendered::read(name, blob).map_err(|error| Failure::ConfigUnreadable {
        config: name.to_owned(),
        error: error.in_full(),
    })
}

/// The config from the disk, where an earlier start kept it and it can still be read, or from the source, and then kept.
async fn fetch(
    host: &impl Host,
    source: &impl Source,
    name: &str,
    offline: bool,
) -> Result<Vec<u8>, Unprepared> {
    if let Some(blob) = journal::load_config(host, name).await?
        && (offline || read(name, &blob).is_ok())
    {
        return Ok(blob);
    }
    let found = if offline {
        None
    } else {
        source.config(name).await?
    };
    let blob = found.ok_or_else(|| Failure::ConfigMissing {
        config: name.to_owned(),
    })?;
    journal::store_config(host, name, &blob).await?;
    Ok(blob)
}

/// What MachineConfiguration `cluster` says.
struct Rules {
    policy: Policy,
    /// What its owner lets differ although nothing applies it.
    overrides: Vec<StorageOverride>,
}

async fn rules(host: &impl Host, source: &impl Source, offline: bool) -> Result<Rules, Unprepared> {
    let blob = if offline {
        journal::load_policy(host).await?
    } else {
        let blob = source.policy().await?;
        journal::store_policy(host, blob.as_deref().unwrap_or(b"null")).await?;
        blob
    };
    Ok(read_rules(blob.as_deref().unwrap_or(b"null"))?)
}

fn read_rules(blob: &[u8]) -> Result<Rules, Failure> {
    let unreadable = |error: String| Failure::PolicyUnreadable { error };
    let object: Option<MachineConfiguration> =
        serde_json::from_slice(blob).map_err(|error| unreadable(error.to_string()))?;
    let Some(object) = object else {
        return Ok(Rules {
            policy: Policy::built_in(),
            overrides: Vec::new(),
        });
    };
    let policy = Policy::of(Some(&object)).map_err(|error| unreadable(error.to_string()))?;
    let overrides = object.spec.irreconcilable_validation_overrides;
    Ok(Rules {
        policy,
        overrides: overrides.unwrap_or_default().storage,
    })
}

/// Carries out an effect that needs the machine alone; `None` for the others.
pub async fn on_machine(host: &impl Host, effect: &Effect) -> Option<Event> {
    match effect {
        Effect::Apply { config, kubelet } => {
            let applied = apply_config(host, config.as_deref(), kubelet.as_deref()).await;
            Some(Event::Applied(applied))
        }
        Effect::Act { actions } => {
            let acted = act(host, actions).await;
            Some(Event::Acted(acted.map_err(|error| error.in_full())))
        }
        Effect::Reboot => Some(Event::RebootRefused(reboot(host).await)),
        Effect::Prove { config } => Some(Event::Proved(prove(host, config).await)),
        Effect::ProbeKubelet => Some(Event::KubeletProbed {
            answers: host.kubelet_answers().await,
        }),
        Effect::Store | Effect::Prepare { .. } | Effect::Announce(_) => None,
    }
}

/// A config that was kept on the disk before anything was touched for it.
async fn kept(host: &impl Host, name: &str) -> Result<Rendered, String> {
    let blob = journal::load_config(host, name).await;
    let blob = blob.map_err(|error| error.in_full())?;
    let blob = blob.ok_or_else(|| format!("config {name} is no longer on the disk"))?;
    let mut rendered = read(name, &blob).map_err(|failure| failure.to_string())?;
    let missing = remote::fill(host, &mut rendered).await;
    match missing.map_err(|error| error.in_full())? {
        None => Ok(rendered),
        Some(path) => Err(no_longer_kept(&path)),
    }
}

async fn apply_config(
    host: &impl Host,
    config: Option<&str>,
    kubelet: Option<&str>,
) -> Result<(), String> {
    let content = match config {
        Some(name) => kept(host, name).await?.content,
        None => Content::default(),
    };
    let applied = apply::apply(host, &content, kubelet).await;
    applied.map_err(|error| error.in_full())
}

async fn act(host: &impl Host, actions: &[Action]) -> Result<(), HostError> {
    for action in actions {
        match action {
            Action::DaemonReload => host.daemon_reload().await?,
            Action::Reload { service } => host.reload_unit(service).await?,
            Action::Restart { service } => host.restart_unit(service).await?,
            // A plan that reboots has no other action, and is never acted on here.
            Action::Reboot => {}
        }
    }
    Ok(())
}

/// Waits for the end; gives the reason where it does not come.
async fn reboot(host: &impl Host) -> String {
    if let Err(error) = host.reboot().await {
        return error.in_full();
    }
    tokio::time::sleep(GOING_DOWN_MAX).await;
    let minutes = GOING_DOWN_MAX.as_secs() / 60;
    format!("it said that it reboots, and still runs {minutes} minutes later")
}

async fn prove(host: &impl Host, config: &str) -> Vec<String> {
    let content = match kept(host, config).await {
        Ok(rendered) => rendered.content,
        Err(error) => return vec![error],
    };
    match apply::prove(host, &content).await {
        Ok(differences) => differences,
        Err(error) => vec![error.in_full()],
    }
}
