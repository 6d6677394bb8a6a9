//! `cargo xtask image`: the image that both parts run, as an OCI layout on the disk, without a container engine.
//!
//! # Guarantees
//! * The binary in it is static: it needs no loader, no library and no user database of anybody, so the daemon's pod can put it
//!   on any host. With musl it looks names up itself (`/etc/hosts`, `/etc/resolv.conf`), never through NSS.
//! * The same sources and toolchain make the same digest, wherever the clone lies: paths are mapped, times are fixed.
//! * An architecture that cannot be built here is told with what is missing; the others are made all the same.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | the binary: target, linker, flags; whether it is static | [`binary`] |
//! | the layout: layer, config, manifest, index | [`layout`] |

mod binary;
mod layout;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{deploy, tools};
use binary::Architecture;
use layout::{Layout, Part};

/// Where the layout is put, under `target/`.
const FOLDER: &str = "image";
/// The same in one file, for `ctr image import`.
const ARCHIVE: &str = "image.tar";

/// What was asked for.
struct Wanted {
    architectures: Vec<Architecture>,
    to: PathBuf,
}

/// Makes the image. `arguments`: `--arch amd64,arm64`, `--to FOLDER`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let wanted = wanted(arguments)?;
    let mut parts = Vec::new();
    let mut missing = Vec::new();
    for architecture in wanted.architectures {
        match architecture.built() {
            Ok(built) => {
                let program = fs::read(&built)
                    .with_context(|| format!("reading the binary {}", built.display()))?;
                binary::demand_static(&program)
                    .with_context(|| format!("judging the binary {}", built.display()))?;
                parts.push(Part::of(architecture, &program)?);
            }
            Err(error) => missing.push(format!("{}: {error:#}", architecture.name())),
        }
    }
    if parts.is_empty() {
        bail!("no architecture can be built here: {}", missing.join("; "));
    }
    let name = deploy::image()?;
    let layout = Layout::write(&wanted.to, &name, &parts)?;
    let archive = wanted.to.with_file_name(ARCHIVE);
    layout.archive(&archive)?;
    for part in &parts {
        println!("{}", part.told());
    }
    println!(
        "{name} {} in {}, {}",
        layout.digest(),
        wanted.to.display(),
        archive.display()
    );
    if !missing.is_empty() {
        bail!("the image lacks {}", missing.join("; "));
    }
    Ok(())
}

/// Makes this machine's part twice, and sees that it runs with nothing around it.
pub(crate) fn check() -> Result<()> {
    let architecture = Architecture::of_this_machine()?;
    let name = architecture.name().to_owned();
    let to = tools::root().join("target/image-check/layout");
    let asked = [
        "--arch".to_owned(),
        name,
        "--to".to_owned(),
        to.display().to_string(),
    ];
    run(&asked)?;
    let first = layout::read(&to)?;
    run(&asked)?;
    if layout::read(&to)?.digest() != first.digest() {
        bail!("two images of the same sources differ");
    }
    let root = to.with_file_name("root");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
    }
    first.unpack(architecture, &root)?;
    let told = Command::new("chroot")
        .arg(&root)
        .args([layout::ENTRY_POINT, "--version"])
        .env_clear()
        .output()
        .context("running the image's program in its own root: this has to be root")?;
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    if !told.status.success() || !said.contains(env!("CARGO_PKG_VERSION")) {
        bail!(
            "in its own root the image's program ended with {} and said {said:?}",
            told.status
        );
    }
    eprintln!("image: {} says {}", first.digest(), said.trim());
    Ok(())
}

fn wanted(arguments: &[String]) -> Result<Wanted> {
    let mut wanted = Wanted {
        architectures: Architecture::ALL.to_vec(),
        to: tools::root().join("target").join(FOLDER),
    };
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next() {
        let value = arguments
            .next()
            .with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--arch" => {
                let all = value.split(',').map(Architecture::named);
                wanted.architectures = all.collect::<Result<_>>()?;
            }
            "--to" => wanted.to = PathBuf::from(value),
            other => bail!("there is no {other}; there are --arch and --to"),
        }
    }
    Ok(wanted)
}
