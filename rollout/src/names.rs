//! The names and numbers that the planner handles: one type for each, so that none is taken for another.
//!
//! Names are shared, not copied: cloning one costs a reference count. Order is that of the text.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it stands in the API.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl From<&String> for $name {
            fn from(name: &String) -> Self {
                Self(name.as_str().into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// `metadata.name` of a Node.
    NodeName
}
name! {
    /// `metadata.name` of a MachineConfigPool.
    PoolName
}
name! {
    /// `metadata.name` of a rendered config: content-addressed, so two equal names mean equal content.
    ConfigName
}
name! {
    /// `metadata.name` of a RolloutPolicy.
    PolicyName
}
name! {
    /// `metadata.uid`: tells two Nodes of one name apart.
    Uid
}
name! {
    /// The kernel's boot id: new with each boot.
    BootId
}
name! {
    /// A digest of one part of a rendered config (`rendering::split`): equal digests mean equal parts.
    PartHash
}

/// Which assignment of its Node this is; each raises it by one (design, section 3). A Node that was never
/// assigned by us is at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intent(pub u64);

impl Intent {
    /// Before the first assignment.
    pub const NONE: Self = Self(0);

    /// The intent of the assignment after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
