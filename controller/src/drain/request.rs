//! What a node's daemon asks of us: to empty the node, or to give back its former cordon.

use api::names::{node, ours};
use api::requests::DrainRequest;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;

/// A request that has not been carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub wish: DrainRequest,
    /// The assignment that the acknowledgement names.
    pub intent: u64,
}

impl Request {
    /// The open request of a node.
    ///
    /// A drain is open until its acknowledgement names the node's present intent: the same config can be
    /// assigned twice, and the second time its pods have to go again. A drain for another config than the
    /// desired one is not open: the daemon has not seen its newest assignment, and will ask for that one.
    ///
    /// An uncordon is open while our cordon is there, too: a drain that was withdrawn before it was
    /// acknowledged leaves the words of the uncordon before it.
    pub fn of(node: &Node) -> Option<Self> {
        let value = |key| node.annotations().get(key).map(String::as_str);
        let number = |key| value(key).and_then(|number| number.parse::<u64>().ok());
        let text = value(node::DESIRED_DRAIN)?;
        let wish = DrainRequest::parse(text)?;
        let intent = number(ours::INTENT).unwrap_or(0);
        let done = value(node::LAST_APPLIED_DRAIN) == Some(text);
        let open = match &wish {
            DrainRequest::Drain(config) => {
                value(node::DESIRED_CONFIG) == Some(config)
                    && !(done && number(ours::DRAINED_INTENT) == Some(intent))
            }
            DrainRequest::Uncordon(_) => !done || value(ours::CORDONED).is_some(),
        };
        open.then_some(Self { wish, intent })
    }

    /// Whether the node's pods have to go.
    pub const fn is_drain(&self) -> bool {
        matches!(self.wish, DrainRequest::Drain(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearing(annotations: &[(&str, &str)]) -> Node {
        let mut node = Node::default();
        for (key, value) in annotations {
            node.annotations_mut()
                .insert((*key).to_owned(), (*value).to_owned());
        }
        node
    }

    const ASSIGNED: [(&str, &str); 2] = [
        (node::DESIRED_CONFIG, "rendered-worker-1"),
        (ours::INTENT, "3"),
    ];

    fn with(more: &[(&str, &str)]) -> Option<Request> {
        Request::of(&bearing(&[&ASSIGNED, more].concat()))
    }

    #[test]
    fn a_drain_is_open_until_it_is_acknowledged_for_the_present_intent() {
        let asked = (node::DESIRED_DRAIN, "drain-rendered-worker-1");
        let done = (node::LAST_APPLIED_DRAIN, "drain-rendered-worker-1");

        let open = with(&[asked]).expect("open");

        assert_eq!(
            (open.wish.config(), open.is_drain(), open.intent),
            ("rendered-worker-1", true, 3)
        );
        assert!(with(&[asked, done, (ours::DRAINED_INTENT, "2")]).is_some());
        assert!(with(&[asked, done, (ours::DRAINED_INTENT, "3")]).is_none());
    }

    #[test]
    fn a_drain_for_a_config_that_is_no_longer_desired_is_not_open() {
        assert!(with(&[(node::DESIRED_DRAIN, "drain-rendered-worker-0")]).is_none());
    }

    #[test]
    fn an_uncordon_is_open_until_it_is_acknowledged() {
        let asked = (node::DESIRED_DRAIN, "uncordon-rendered-worker-0");

        assert!(with(&[asked]).is_some_and(|request| !request.is_drain()));
        assert!(
            with(&[
                asked,
                (node::LAST_APPLIED_DRAIN, "uncordon-rendered-worker-0")
            ])
            .is_none()
        );
    }

    #[test]
    fn an_uncordon_of_the_same_words_is_open_while_our_cordon_is_there() {
        let words = "uncordon-rendered-worker-0";
        let asked = (node::DESIRED_DRAIN, words);
        let done = (node::LAST_APPLIED_DRAIN, words);
        assert!(with(&[asked, done, (ours::CORDONED, "2;;")]).is_some());
    }
}
