//! What the renderer tells the other reconcilers.

/// What came of rendering a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its target is what it should be.
    Rendered {
        /// The target.
        config: String,
    },
    /// It has no new target; the condition says why.
    Refused {
        /// Stable identifier.
        reason: &'static str,
        /// For people.
        message: String,
    },
}
