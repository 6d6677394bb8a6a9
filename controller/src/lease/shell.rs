//! Reads and writes the Lease that [`super::evaluate`] decides about.
//!
//! A follower asks for nothing: it watches the one Lease, and acts when the rule says so. Every write
//! carries the version that the decision rests on.

use super::{Decision, Me, Record, evaluate};
use crate::config::{Config, std_duration};
use crate::error::{ApiError, Attempt, Backoff, Chain, Meaning};
use crate::stores::cache::{Cache, Kept};
use api::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

/// The Lease as the watch shows it.
#[derive(Clone, Debug)]
pub struct LeaseView(Lease);

impl Kept for LeaseView {
    type Object = Lease;
    fn keep(lease: Lease) -> Self {
        Self(lease)
    }
    fn differs(&self, before: &Self) -> bool {
        self.0.metadata.resource_version != before.0.metadata.resource_version
    }
}

/// Takes part in the election until dropped.
pub struct Election {
    client: Client,
    config: Config,
    clock: Clock,
    seen: Arc<Cache<LeaseView>>,
    wake: Arc<Notify>,
    leading: watch::Sender<bool>,
    /// The record as we last saw it change, and when.
    observed: Option<(Lease, Timestamp)>,
    /// What the watch last showed; it may be older than what we wrote.
    last_shown: Option<String>,
}

impl Election {
    /// An election over the Lease that `seen` shows, woken by `wake`.
    pub fn new(
        client: Client,
        config: Config,
        clock: Clock,
        seen: Arc<Cache<LeaseView>>,
        wake: Arc<Notify>,
    ) -> (Self, watch::Receiver<bool>) {
        let (leading, is_leading) = watch::channel(false);
        let election = Self {
            client,
            config,
            clock,
            seen,
            wake,
            leading,
            observed: None,
            last_shown: None,
        };
        (election, is_leading)
    }

    /// Takes part until dropped.
    pub async fn run(mut self) {
        self.seen.synced().await;
        let mut backoff = Backoff::default();
        loop {
            self.look();
            let wait = match self.step().await {
                Ok(until) => {
                    backoff.reset();
                    until
                }
                Err(error) => {
                    warn!(error = %Chain(&error), "the lease was not written");
                    backoff
                        .delay()
                        .min(std_duration(self.config.lease.retry_period))
                }
            };
            // Woken early or not: the rule is asked again either way.
            drop(tokio::time::timeout(wait, self.wake.notified()).await);
        }
    }

    /// Does what the rule says; returns for how long nothing is to be done.
    async fn step(&mut self) -> Result<Duration, ApiError> {
        let now = self.clock.now();
        let record = self.observed.as_ref().map(|(lease, _)| record(lease));
        let observed_at = self.observed.as_ref().map_or(now, |(_, at)| *at);
        let me = Me {
            name: &self.config.identity,
            leading: *self.leading.borrow(),
        };
        match evaluate(
            record.as_ref(),
            observed_at,
            me,
            self.config.lease.times(),
            now,
        ) {
            Decision::Wait(until) => Ok(std_duration(until.duration_since(now))),
            Decision::StepDown => {
                self.leads(false);
                Ok(std_duration(self.config.lease.retry_period))
            }
            Decision::Acquire | Decision::Renew => {
                self.write(now).await?;
                self.leads(true);
                Ok(std_duration(self.config.lease.retry_period))
            }
        }
    }

    /// Takes what the watch shows, if it shows something new.
    fn look(&mut self) {
        let shown = self
            .seen
            .get_in(&self.config.namespace, &self.config.lease.name);
        let version = shown
            .as_ref()
            .and_then(|lease| lease.0.metadata.resource_version.clone());
        if version == self.last_shown {
            return;
        }
        self.last_shown = version;
        match shown {
            Some(lease) => self.observe(lease.0.clone()),
            None => self.observed = None,
        }
    }

    /// The time is taken when the record *changed*: a second look at the same one proves no life.
    fn observe(&mut self, lease: Lease) {
        let version = &lease.metadata.resource_version;
        let known = self
            .observed
            .as_ref()
            .map(|(known, _)| &known.metadata.resource_version);
        if known != Some(version) {
            self.observed = Some((lease, self.clock.now()));
        }
    }

    async fn write(&mut self, now: Timestamp) -> Result<(), ApiError> {
        let name = self.config.lease.name.clone();
        let api = Api::<Lease>::namespaced(self.client.clone(), &self.config.namespace);
        let next = self.next(now);
        let post = PostParams::default();
        let written = match &self.observed {
            Some(_) => api
                .replace(&name, &post, &next)
                .await
                .attempt("renewing the lease", &name),
            None => api
                .create(&post, &next)
                .await
                .attempt("creating the lease", &name),
        };
        match written {
            Ok(lease) => self.observed = Some((lease, now)),
            Err(error) => {
                // Whoever was faster, or whether it was written after all, only reading tells.
                if error.meaning() != Meaning::Refused {
                    let read = api
                        .get_opt(&name)
                        .await
                        .attempt("reading the lease", &name)?;
                    match read {
                        Some(lease) => self.observe(lease),
                        None => self.observed = None,
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// The Lease with us as its holder.
    fn next(&self, now: Timestamp) -> Lease {
        let before = self.observed.as_ref().map(|(lease, _)| lease);
        let spec = before
            .and_then(|lease| lease.spec.clone())
            .unwrap_or_default();
        let ours = spec.holder_identity.as_deref() == Some(&self.config.identity);
        let transitions = spec.lease_transitions.unwrap_or_default();
        let seconds = self.config.lease.duration.as_secs();
        Lease {
            metadata: before.map_or_else(
                || ObjectMeta {
                    name: Some(self.config.lease.name.clone()),
                    namespace: Some(self.config.namespace.clone()),
                    ..ObjectMeta::default()
                },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.config.identity.clone()),
                lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
                acquire_time: if ours {
                    spec.acquire_time
                } else {
                    Some(MicroTime(now))
                },
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(if ours {
                    transitions
                } else {
                    transitions.saturating_add(1)
                }),
                ..LeaseSpec::default()
            }),
        }
    }

    fn leads(&self, leading: bool) {
        let changed = self.leading.send_replace(leading) != leading;
        if changed {
            info!(identity = %self.config.identity, leading, "leadership changed");
        }
    }
}

/// Gives the lease back, so that the next replica need not wait for it to run out.
pub async fn release(client: Client, config: &Config) -> Result<(), ApiError> {
    let name = &config.lease.name;
    let api = Api::<Lease>::namespaced(client, &config.namespace);
    let Some(mut lease) = api.get_opt(name).await.attempt("reading the lease", name)? else {
        return Ok(());
    };
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(&config.identity) {
        return Ok(());
    }
    spec.holder_identity = None;
    api.replace(name, &PostParams::default(), &lease)
        .await
        .attempt("releasing the lease", name)?;
    Ok(())
}

/// What a stored Lease says.
pub(crate) fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: SignedDuration::from_secs(i64::from(seconds)),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
