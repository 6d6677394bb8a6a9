//! Names of units: what is before the `@`, what is after it, and the kind.

use crate::host::HostError;

/// Longest name that systemd takes.
const NAME_BYTES_MAX: usize = 255;

/// The kinds of units.
const KINDS: [&str; 11] = [
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];

/// A name that systemd takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitName {
    whole: String,
    prefix: String,
    /// What is between `@` and the kind; empty for a template.
    instance: Option<String>,
    kind: String,
}

impl UnitName {
    /// Reads a name; `None` where it is none.
    pub(super) fn read(name: &str) -> Option<Self> {
        let (stem, kind) = name.rsplit_once('.')?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        let good = KINDS.contains(&kind) && name.len() <= NAME_BYTES_MAX && stem.bytes().all(known);
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance.to_owned())),
            None => (stem, None),
        };
        (good && !prefix.is_empty()).then(|| Self {
            whole: name.to_owned(),
            prefix: prefix.to_owned(),
            instance,
            kind: kind.to_owned(),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.whole
    }

    /// The name of the template; of a unit that has none, its own.
    pub(super) fn template(&self) -> String {
        match self.instance {
            Some(_) => format!("{}@.{}", self.prefix, self.kind),
            None => self.whole.clone(),
        }
    }

    /// The instance of this template.
    pub(super) fn with_instance(&self, instance: &str) -> Option<Self> {
        Self::read(&format!("{}@{instance}.{}", self.prefix, self.kind))
    }

    /// The names under which the file may lie, the first one first.
    pub(super) fn candidates(&self) -> Vec<String> {
        let template = self.template();
        if template == self.whole {
            vec![template]
        } else {
            vec![self.whole.clone(), template]
        }
    }

    pub(super) fn is_template(&self) -> bool {
        self.instance.as_deref() == Some("")
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn instance(&self) -> &str {
        self.instance.as_deref().unwrap_or_default()
    }

    /// The name without its kind.
    pub(super) fn stem(&self) -> &str {
        let kind = self.kind.len() + 1;
        self.whole
            .get(..self.whole.len() - kind)
            .unwrap_or_default()
    }

    /// Whether `name` is this unit, or an instance of this template.
    pub(super) fn covers(&self, name: &str) -> bool {
        name == self.whole
            || (self.is_template()
                && Self::read(name).is_some_and(|it| {
                    it.instance.is_some() && it.prefix == self.prefix && it.kind == self.kind
                }))
    }
}

pub(super) fn bad_name(operation: &'static str, name: &str) -> HostError {
    let hint = "it is no name of a unit; it needs a kind, as in kubelet.service";
    HostError::new(operation, format!("unit {name:?}"), hint)
}
