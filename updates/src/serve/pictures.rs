//! Pictures of a channel, and the list of all channels: what the page is made from.

use std::collections::BTreeMap;

use serde::Serialize;

use super::query::{self, BadQuestion};
use crate::Graph;
use crate::client::{NoAdvice, Offers};
use crate::picture::{NoPicture, Picture, Sight};
use crate::wire::Received;

/// The form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For Graphviz.
    Dot,
    /// For browsers.
    Svg,
}

impl Form {
    /// The form that a path names.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/graph.dot" => Some(Self::Dot),
            "/graph.svg" => Some(Self::Svg),
            _ => None,
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Dot => "text/vnd.graphviz; charset=utf-8",
            Self::Svg => "image/svg+xml",
        }
    }
}

/// What a picture is asked to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wish {
    from: Option<String>,
    to: Option<String>,
    all_edges: bool,
}

impl Wish {
    /// Reads it from a query. An empty version is none: a form sends it so.
    pub(super) fn read(query: &str) -> Result<Self, BadQuestion> {
        let version = |name| query::parameter(query, name).filter(|version| !version.is_empty());
        let (from, to) = (version("from"), version("to"));
        if from.is_none() && to.is_some() {
            return Err(BadQuestion::Missing("from"));
        }
        let all_edges = match query::parameter(query, "edges").as_deref() {
            None | Some("" | "fewest") => false,
            Some("all") => true,
            Some(other) => {
                return Err(BadQuestion::Invalid {
                    name: "edges",
                    value: other.to_owned(),
                    pattern: "^(fewest|all)$",
                });
            }
        };
        Ok(Self {
            from,
            to,
            all_edges,
        })
    }
}

/// Draws a channel.
pub(super) fn draw(
    graph: &Graph,
    asked: &query::Asked,
    wish: &Wish,
    form: Form,
) -> Result<String, NoPicture> {
    let received = Received::from(&graph.answer(&asked.channel, &asked.architecture));
    let offers = Offers::new(&received);
    let sight = Sight {
        from: wish.from.as_deref(),
        to: wish.to.as_deref(),
        all_edges: wish.all_edges,
    };
    let picture = Picture::new(&asked.channel, &asked.architecture, &offers, sight)?;
    Ok(match form {
        Form::Dot => picture.dot(),
        Form::Svg => picture.svg(),
    })
}

/// The status of why there is no picture.
pub(super) fn status(no: &NoPicture) -> http::StatusCode {
    match no {
        NoPicture::NoAdvice(NoAdvice::VersionNotFound { .. }) => http::StatusCode::NOT_FOUND,
        NoPicture::NoAdvice(NoAdvice::InvalidVersion { .. }) | NoPicture::TooLarge { .. } => {
            http::StatusCode::BAD_REQUEST
        }
    }
}

/// All channels.
#[derive(Debug, Serialize)]
pub(super) struct Channels<'g> {
    channels: Vec<Channel<'g>>,
}

#[derive(Debug, Serialize)]
struct Channel<'g> {
    name: &'g str,
    /// How many releases there are for which architecture; those without any are not named.
    releases: BTreeMap<&'g str, usize>,
}

impl<'g> Channels<'g> {
    /// The channels of a graph.
    pub(super) fn of(graph: &'g Graph) -> Self {
        let architectures = graph.architectures();
        let channel = |name: &'g str| Channel {
            name,
            releases: architectures
                .iter()
                .map(|architecture| (*architecture, graph.held(name, architecture).len()))
                .filter(|(_, count)| *count > 0)
                .collect(),
        };
        Self {
            channels: graph.channels().map(channel).collect(),
        }
    }
}
