//! The image's program: built for a target that links it whole.
//!
//! # Guarantees
//! musl, where the toolchain has the target or can add it. Else glibc with `crt-static`, and it is said what that costs: a
//! static glibc still loads the host's NSS modules to look names up, if the host's `nsswitch.conf` names any.
//!
//! # Assumes
//! A C compiler for the target, for `ring`; it links as well.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::tools;

/// A machine's architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    Amd64,
    Arm64,
}

/// A target, and what compiles C for it.
struct Target {
    triple: String,
    compiler: &'static str,
    package: &'static str,
    musl: bool,
}

impl Architecture {
    pub(super) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// As an image's platform calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    pub(super) fn named(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.name() == name)
            .with_context(|| {
                format!("there is no architecture {name:?}; there are amd64 and arm64")
            })
    }

    pub(super) fn of_this_machine() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("no image is made for {other}"),
        }
    }

    /// As Rust calls it.
    fn cpu(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    fn is_this_machine_s(self) -> bool {
        self.cpu() == std::env::consts::ARCH
    }

    fn target(self) -> Result<Target> {
        let musl = format!("{}-unknown-linux-musl", self.cpu());
        let (compiler, package) = match (self.is_this_machine_s(), self) {
            (true, _) => ("musl-gcc", "musl-tools"),
            // Rust brings musl itself; a compiler for glibc will do for C that calls no library.
            (false, Self::Arm64) => ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
            (false, Self::Amd64) => ("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu"),
        };
        if has(&musl)? || add(&musl) {
            return Ok(Target {
                triple: musl,
                compiler,
                package,
                musl: true,
            });
        }
        let glibc = format!("{}-unknown-linux-gnu", self.cpu());
        if !has(&glibc)? {
            bail!("the toolchain has no target {musl}: `rustup target add {musl}`");
        }
        eprintln!(
            "the toolchain has no target {musl} (`rustup target add {musl}`): linking glibc statically; where a host's \
             nsswitch.conf names modules, looking a name up loads them"
        );
        Ok(Target {
            triple: glibc,
            compiler: if self.is_this_machine_s() {
                "cc"
            } else {
                compiler
            },
            package: "gcc",
            musl: false,
        })
    }

    /// The binary, built now if anything changed.
    pub(super) fn built(self) -> Result<PathBuf> {
        let target = self.target()?;
        let compiler = target.compiler;
        if Command::new(compiler).arg("--version").output().is_err() {
            bail!(
                "there is no {compiler} to compile C and to link with: install Debian's package {}",
                target.package
            );
        }
        let triple = &target.triple;
        eprintln!("building windlass for {triple}: ten minutes for the first time");
        let flags = target.flags(self)?;
        let upper = triple.to_uppercase().replace('-', "_");
        tools::run(
            Command::new(env!("CARGO"))
                .args([
                    "build",
                    "--release",
                    "--locked",
                    "--package",
                    "cli",
                    "--bin",
                    "windlass",
                ])
                .args(["--target", triple])
                .current_dir(tools::root())
                .env(format!("CC_{}", triple.replace('-', "_")), compiler)
                .env(format!("CARGO_TARGET_{upper}_LINKER"), compiler)
                .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")),
        )?;
        Ok(tools::root().join(format!("target/{triple}/release/windlass")))
    }
}

impl Target {
    fn flags(&self, architecture: Architecture) -> Result<Vec<String>> {
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| {
                let home = std::env::var_os("HOME").map(PathBuf::from);
                home.map(|home| home.join(".cargo"))
            });
        let home = home.context("finding Cargo's folder: set CARGO_HOME")?;
        let mut flags = vec![
            "-Ctarget-feature=+crt-static".to_owned(),
            // Where the clone lies is nobody's business, and would change the digest.
            format!("--remap-path-prefix={}=/windlass", tools::root().display()),
            format!("--remap-path-prefix={}=/cargo", home.display()),
            // Function names stay for backtraces; lines of a static binary triple its size.
            "-Cstrip=debuginfo".to_owned(),
        ];
        if self.musl && !architecture.is_this_machine_s() {
            // The compiler would link its own glibc: Rust's musl and its start files are taken instead.
            flags.push("-Clink-self-contained=yes".to_owned());
        }
        Ok(flags)
    }
}

/// Whether the toolchain has a target.
fn has(triple: &str) -> Result<bool> {
    let told = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", triple])
        .output()
        .context("asking rustc for its targets")?;
    let folder = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    Ok(told.status.success() && PathBuf::from(folder).is_dir())
}

/// Whether rustup can add it.
fn add(triple: &str) -> bool {
    eprintln!("adding the target {triple} to the toolchain, once");
    let added = Command::new("rustup")
        .args(["target", "add", triple])
        .status();
    added.is_ok_and(|status| status.success()) && has(triple).unwrap_or(false)
}

/// The program header of a loader, in an ELF file.
const PT_INTERP: u32 = 3;

/// Refuses a program that is not a 64-bit ELF file, or that needs a loader.
pub(super) fn demand_static(program: &[u8]) -> Result<()> {
    let number = |at: usize, bytes: usize| -> Result<u64> {
        let field = program
            .get(at..at + bytes)
            .context("reading its ELF headers: the file is too short")?;
        let little = field.iter().rev();
        Ok(little.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    if program.get(..6) != Some(b"\x7fELF\x02\x01") {
        bail!("it is no little-endian 64-bit ELF file");
    }
    let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for header in 0..count {
        let at = usize::try_from(first + header * size).context("reading its ELF headers")?;
        if number(at, 4)? == u64::from(PT_INTERP) {
            bail!("it is not static: it names a loader");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headers of an ELF file with one program header of this kind.
    fn program(kind: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&kind.to_le_bytes());
        file
    }

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();

        assert!(
            demand_static(&own)
                .unwrap_err()
                .to_string()
                .contains("loader")
        );
        assert!(demand_static(&program(PT_INTERP)).is_err());
        assert!(demand_static(&program(1)).is_ok());
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(demand_static(b"#!/bin/sh").is_err());
        assert!(demand_static(&program(1)[..60]).is_err());
    }
}
