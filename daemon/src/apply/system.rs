//! The next boot's system: what is ours beside what was there.

use super::content::SystemWish;
use super::originals::SystemOriginal;
use super::survey::Survey;
use crate::host::System;

/// The system that the next boot shall take.
pub(super) fn wanted(wish: &SystemWish, survey: &Survey) -> System {
    let base = base(wish, survey);
    let mut kernel_arguments = base.kernel_arguments;
    kernel_arguments.extend(wish.kernel_arguments.iter().cloned());
    // The same arguments in another order are left alone: the machine's own tools order them as they like.
    if is_same_set(&kernel_arguments, &survey.next.kernel_arguments) {
        kernel_arguments.clone_from(&survey.next.kernel_arguments);
    }
    let mut extensions = base.extensions;
    extensions.extend(wish.extensions.iter().cloned());
    extensions.sort();
    extensions.dedup();
    System {
        // An image that leaves the config stays: another one would be a way back.
        image: wish.image.clone().or_else(|| survey.next.image.clone()),
        kernel_type: wish.kernel_type.clone().or(base.kernel_type),
        extensions,
        kernel_arguments,
    }
}

/// Whether the next boot takes what `wish` asks for already.
pub(crate) fn leaves_system_as_is(wish: &SystemWish, survey: &Survey) -> bool {
    wanted(wish, survey) == survey.next
}

/// The record to have before `wish` is staged.
pub(super) fn original(wish: &SystemWish, survey: &Survey) -> SystemOriginal {
    let base = base(wish, survey);
    let mut ours = Vec::new();
    if let Some(record) = &survey.originals.system {
        let set = record
            .ours
            .iter()
            .find(|ours| is_line(&base.kernel_arguments, ours, survey));
        ours.extend(set.cloned());
    }
    if !ours.contains(&wish.kernel_arguments) {
        ours.push(wish.kernel_arguments.clone());
    }
    SystemOriginal { ours, ..base }
}

/// What is not ours.
fn base(wish: &SystemWish, survey: &Survey) -> SystemOriginal {
    let next = &survey.next;
    let Some(record) = &survey.originals.system else {
        // An argument that is there already counts as ours: it disrupts nothing now, and goes when it leaves the
        // config.
        return SystemOriginal {
            kernel_arguments: without(&next.kernel_arguments, &wish.kernel_arguments),
            kernel_type: next.kernel_type.clone(),
            extensions: next.extensions.clone(),
            ours: Vec::new(),
        };
    };
    let known = record
        .ours
        .iter()
        .any(|ours| is_line(&record.kernel_arguments, ours, survey));
    let kernel_arguments = if known || next.kernel_arguments == record.kernel_arguments {
        record.kernel_arguments.clone()
    } else {
        // Somebody else changed the line: what of it is ours goes, all else is theirs.
        let last = record.ours.last().map(Vec::as_slice).unwrap_or_default();
        without(&next.kernel_arguments, last)
    };
    SystemOriginal {
        kernel_arguments,
        ..record.clone()
    }
}

/// Whether the next boot's line is `base` with `ours`.
fn is_line(base: &[String], ours: &[String], survey: &Survey) -> bool {
    let line = [base, ours].concat();
    is_same_set(&line, &survey.next.kernel_arguments)
}

/// `line` without the last occurrence of each of `taken`.
fn without(line: &[String], taken: &[String]) -> Vec<String> {
    let mut left = line.to_vec();
    for argument in taken.iter().rev() {
        if let Some(index) = left.iter().rposition(|there| there == argument) {
            left.remove(index);
        }
    }
    left
}

/// Whether two lines hold the same arguments, each as often.
fn is_same_set(a: &[String], b: &[String]) -> bool {
    let sorted = |line: &[String]| {
        let mut sorted = line.to_vec();
        sorted.sort();
        sorted
    };
    sorted(a) == sorted(b)
}

/// What of `wish` the running system does not have: it takes effect by a boot alone.
pub(super) fn not_in_effect(wish: &SystemWish, running: &System) -> Vec<String> {
    let mut missing = Vec::new();
    if let Some(image) = &wish.image
        && running.image.as_ref() != Some(image)
    {
        missing.push(format!("image {image} does not run"));
    }
    if wish.kernel_type.is_some() && wish.kernel_type != running.kernel_type {
        let kind = wish.kernel_type.as_deref().unwrap_or_default();
        missing.push(format!("kernel {kind} does not run"));
    }
    let absent = |there: &[String], name: &&String| !there.contains(name);
    let extensions = wish.extensions.iter();
    for name in extensions.filter(|name| absent(&running.extensions, name)) {
        missing.push(format!("extension {name} is not there"));
    }
    let arguments = wish.kernel_arguments.iter();
    for name in arguments.filter(|name| absent(&running.kernel_arguments, name)) {
        missing.push(format!("kernel argument {name} is not in effect"));
    }
    missing
}
