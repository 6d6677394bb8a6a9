//! `windlass demo`: a simulated fleet, the unmodified controller and daemons, and a story in chapters.
//!
//! # Guarantees
//! The exit status is 0 only if every chapter that was told passed, all nodes converged and the observer, which shares
//! no code with the planner, saw no promise broken. With `-o json` standard output carries one object and nothing else. The verdict is told before
//! anything is held open.
//! # Not here
//! The cluster itself: `simulation::fleet`. What a chapter asks of it: `chapters`.

mod chapters;
mod progress;
mod stage;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use simulation::pace::Pace;

use self::chapters::{CHAPTERS, Chapter};
use self::progress::Teller;
use self::stage::Stage;
use self::verdict::{Told, Verdict};
use crate::manifests::{self, Manifest};
use crate::output::{Output, print_json, print_text};
use crate::signals::told_to_end;

/// Runs a simulated fleet on this machine and tells what Windlass does with it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name the chapters and end
    #[arg(long)]
    list: bool,
    /// Tell only this chapter, by its number
    #[arg(long, value_name = "N", conflicts_with = "manifests")]
    chapter: Option<usize>,
    /// How fast machines are: seconds, or the minutes of real ones
    #[arg(long, default_value_t, value_enum)]
    pace: PaceChoice,
    /// Keep the cluster up after the verdict, until Ctrl-C or SIGTERM
    #[arg(long)]
    hold: bool,
    /// The form of the verdict
    #[arg(short, long, default_value_t, value_enum)]
    output: Output,
    /// Your own manifests (file or folder) in the place of the story
    #[arg(long, value_name = "DIR")]
    manifests: Option<PathBuf>,
    /// Your own fleet, as YAML; needs --manifests, because the story is about the built-in one
    #[arg(long, value_name = "FILE")]
    fleet: Option<PathBuf>,
    /// Leave the first rendered config of each pool to be approved by you
    #[arg(long)]
    wait_for_approval: bool,
    /// Decides what chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How fast the simulated machines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum PaceChoice {
    /// A reboot takes seconds.
    #[default]
    Fast,
    /// A reboot takes minutes, as on real machines.
    Real,
}

impl PaceChoice {
    fn pace(self) -> Pace {
        match self {
            Self::Fast => Pace::demo(),
            Self::Real => Pace::real(),
        }
    }

    /// How long a chapter may take before it counts as stuck. The longest takes under a minute at the fast pace;
    /// real machines are about eighty times slower.
    fn patience(self) -> Duration {
        match self {
            Self::Fast => Duration::from_secs(180),
            Self::Real => Duration::from_secs(4 * 3600),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        let lines: Vec<String> = CHAPTERS
            .iter()
            .enumerate()
            .map(|(index, chapter)| {
                format!("{}  {:<16} {}\n", index + 1, chapter.name, chapter.title)
            })
            .collect();
        return print_text(&lines.concat());
    }
    if args.fleet.is_some() && args.manifests.is_none() {
        bail!(
            "--fleet describes machines and pools of your own, and the story is about those of the built-in fleet: \
             give --manifests with the MachineConfigs for your pools, too"
        );
    }
    let chapters = chosen(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime of the demo")?;
    let verdict = runtime.block_on(tell(args, &chapters))?;
    if !verdict.is_clean() {
        bail!("the demo did not end as it should: {}", verdict.complaint());
    }
    Ok(())
}

fn chosen(args: &Args) -> Result<Vec<&'static Chapter>> {
    if args.manifests.is_some() {
        return Ok(Vec::new());
    }
    match args.chapter {
        None => Ok(CHAPTERS.iter().collect()),
        Some(number) => match number.checked_sub(1).and_then(|index| CHAPTERS.get(index)) {
            Some(chapter) => Ok(vec![chapter]),
            None => bail!("there is no chapter {number}; `windlass demo --list` names them"),
        },
    }
}

async fn tell(args: &Args, chapters: &[&'static Chapter]) -> Result<Verdict> {
    let description = match &args.fleet {
        None => stage::built_in_fleet()?,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the fleet from {}", path.display()))?;
            serde_saphyr::from_str(&text)
                .with_context(|| format!("reading the fleet from {}", path.display()))?
        }
    };
    let first: Vec<Manifest> = match &args.manifests {
        Some(path) => manifests::load(path)?,
        None => stage::base_manifests()?,
    };
    // Whenever the end comes, the cluster and its folder go in order.
    let interrupted = told_to_end()?;
    let stage = Stage::open(
        description,
        args.pace.pace(),
        args.pace.patience(),
        args.seed,
        Teller::new(args.output),
    )
    .await?;
    stage.say_where();
    let told = tokio::select! {
        told = story(&stage, &first, !args.wait_for_approval, chapters) => told,
        never = progress::show(&stage) => match never {},
        () = interrupted => {
            stage.close().await;
            bail!("the demo was told to end before its verdict; its cluster and its folder are gone");
        }
    };
    let verdict = Verdict::new(stage.fleet(), told);
    let shown = show(args, &stage, &verdict).await;
    stage.close().await;
    shown.map(|()| verdict)
}

/// Tells the verdict, and then holds the cluster for as long as it is wanted.
async fn show(args: &Args, stage: &Stage, verdict: &Verdict) -> Result<()> {
    // Listened for before the verdict is out: who reads it may end the demo at once.
    let told = told_to_end()?;
    match args.output {
        Output::Json => print_json(verdict)?,
        Output::Text => print_text(&verdict.to_string())?,
    }
    if args.hold {
        stage.teller().say("the cluster stays up; Ctrl-C ends it");
        tokio::select! {
            () = told => {}
            never = progress::show(stage) => match never {},
        }
    }
    Ok(())
}

/// First contact, then the chapters.
async fn story(
    stage: &Stage,
    first: &[Manifest],
    approve: bool,
    chapters: &[&'static Chapter],
) -> Vec<Told> {
    if let Err(error) = stage.begin(first, approve).await {
        return vec![Told::failed("first-contact", &error)];
    }
    let mut told = Vec::new();
    for chapter in chapters {
        stage.teller().title(chapter.title);
        let came = (chapter.tell)(stage).await;
        if let Err(error) = &came {
            stage
                .teller()
                .say(&format!("this chapter failed: {error:#}"));
        }
        told.push(Told::new(chapter.name, came));
    }
    told
}
