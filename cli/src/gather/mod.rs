//! `windlass gather`: all that is needed to tell why a rollout stands, in one archive, and no secret.
//!
//! # Guarantees
//! It only reads. Secrets and ConfigMaps are never asked for; what else can hold a secret is outlined or marked. What could
//! not be read, or was left out by a bound, is in the archive's manifest and is printed; the rest is packed all the same.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | the archive's layout; reading it | [`archive`] |
//! | what is asked for, and the bounds | [`collect`] |
//! | which objects, and what of them | [`shape`] |
//! | what is taken out of texts and values | [`redact`] |
//! | what is taken out of Ignition configs | [`ignition`] |

pub(crate) mod archive;
mod collect;
mod ignition;
mod redact;
mod shape;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use api::names::install;
use kube::Client;

use crate::clock;
use crate::cluster::{Cluster, block_on};
use crate::explain;
use crate::output::print_text;
use archive::{Archive, Told};
use collect::Manifest;
use redact::Redactor;

/// Packs what tells why a rollout stands into one archive, without secrets. Only reads.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The archive to make; else windlass-gather-TIME.tar.gz here
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Where Windlass is installed
    #[arg(long, default_value = install::NAMESPACE)]
    namespace: String,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    block_on(gather(args))
}

async fn gather(args: &Args) -> Result<()> {
    let config = args.cluster.config().await?;
    let client = Client::try_from(config.clone()).context("making a client")?;
    let redactor = Redactor::new()?;
    let seen = explain::gather::gather(&config, explain::gather::About::Everything).await?;
    let now = clock::of_the_machine().now();
    let told = explain::everything(&seen, now)?;
    let by_default = || PathBuf::from(format!("{}.tar.gz", archive::folder(now)));
    let path = args.to.clone().unwrap_or_else(by_default);
    let mut archive = Archive::create(&path, now)?;
    let mut manifest = Manifest {
        decisions: told.len(),
        left_out: seen.unread.clone(),
        ..Manifest::default()
    };
    for told in told {
        archive.add_told(&Told {
            text: redactor.text(&told.text),
            json: redactor.value(told.json),
            ..told
        })?;
    }
    let namespace = &args.namespace;
    let into = (&mut archive, &mut manifest);
    collect::objects(&client, namespace, &redactor, into).await?;
    let into = (&mut archive, &mut manifest);
    collect::logs(&client, namespace, &seen.nodes, &redactor, into).await?;
    archive.add_json("manifest.json", &manifest)?;
    archive.finish()?;
    for why in &manifest.left_out {
        eprintln!("windlass: not packed: {why}");
    }
    let objects: usize = manifest.objects.values().sum();
    print_text(&format!(
        "{}: {objects} objects, {} answers, {} logs\n",
        path.display(),
        manifest.decisions,
        manifest.logs.len()
    ))
}
