//! The name of a graph by what its clients can see of it.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::graph::{Graph, RiskList};

/// The SHA-256, in hex, over all that answers can show.
pub fn fingerprint(graph: &Graph) -> String {
    let mut hash = Hash(Sha256::new());
    hash.number(graph.releases().len());
    for release in graph.releases() {
        hash.text(&release.text);
        hash.text(release.payload.as_deref().unwrap_or_default());
        hash.number(release.metadata.len());
        for (key, value) in &release.metadata {
            hash.text(key);
            hash.text(value);
        }
    }
    for (channel, architecture) in graph.indexed() {
        hash.text(channel);
        hash.text(architecture);
    }
    let mut known: BTreeMap<RiskList, [u8; 32]> = BTreeMap::new();
    for to in 0..graph.releases().len() {
        for (from, risks) in graph.offered_into(to) {
            hash.number(to);
            hash.number(from);
            if let Some(list) = risks {
                let of_list = known.entry(list).or_insert_with(|| risk_list(graph, list));
                hash.0.update(of_list);
            }
        }
    }
    hash.0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn risk_list(graph: &Graph, list: RiskList) -> [u8; 32] {
    let mut hash = Hash(Sha256::new());
    for number in graph.risk_list(list) {
        let Some(risk) = graph.risks().get(*number as usize) else {
            continue;
        };
        hash.text(&risk.name);
        hash.text(&risk.url);
        hash.text(&risk.message);
        hash.number(risk.matching_rules.len());
        for rule in &risk.matching_rules {
            hash.text(&rule.kind);
            hash.text(rule.promql.as_ref().map_or("", |query| &query.promql));
        }
    }
    hash.0.finalize().into()
}

/// Texts with their lengths, so that two of them are never taken for one.
struct Hash(Sha256);

impl Hash {
    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text.as_bytes());
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }
}
