//! The metadata keys of releases that the graph is made from. Everything else in metadata is handed on as it is.

/// The prefix of every key that the graph reads.
const PREFIX: &str = "io.openshift.upgrades.graph.";

/// Channels that hold the release, separated by commas.
pub const CHANNELS: &str = "io.openshift.upgrades.graph.release.channels";
/// Architectures that the release is for, separated by commas. Left out of answers.
pub const ARCHITECTURE: &str = "io.openshift.upgrades.graph.release.arch";
/// The manifest by which the release was found, as its digest.
pub const MANIFEST: &str = "io.openshift.upgrades.graph.release.manifestref";
/// `true` takes the release out of the graph.
pub const REMOVE: &str = "io.openshift.upgrades.graph.release.remove";
/// Releases from which there is an edge to this one.
pub const PREVIOUS_ADD: &str = "io.openshift.upgrades.graph.previous.add";
/// Releases from which there is no edge to this one; `*` is all of them.
pub const PREVIOUS_REMOVE: &str = "io.openshift.upgrades.graph.previous.remove";
/// As [`PREVIOUS_REMOVE`], by a regular expression over version and architecture.
pub const PREVIOUS_REMOVE_REGEX: &str = "io.openshift.upgrades.graph.previous.remove_regex";
/// Releases to which there is an edge from this one.
pub const NEXT_ADD: &str = "io.openshift.upgrades.graph.next.add";
/// Releases to which there is no edge from this one.
pub const NEXT_REMOVE: &str = "io.openshift.upgrades.graph.next.remove";

/// The value of a `remove` key that means every edge.
pub const ALL: &str = "*";

/// Whether a key of this name, with values that nobody could read, might have taken an edge or a release away.
pub fn may_take_away(key: &str) -> bool {
    key.strip_prefix(PREFIX)
        .is_some_and(|key| key.contains("remove"))
}

/// The entries of a comma list, without the blanks around them.
pub fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}
