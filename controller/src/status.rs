//! Shows on each pool how far it is.

use crate::context::Context;

/// Shows until dropped.
pub async fn run(context: &Context) {
    loop {
        context.wakes.status.notified().await;
    }
}
