//! What holds for every graph, whatever its edges and blocks.

use proptest::prelude::*;

use super::*;

/// A raw graph of any edges, and any blocks of it.
fn any_graph() -> impl Strategy<Value = (RawGraph, Vec<Block>)> {
    let edges = proptest::collection::vec((0_usize..8, 0_usize..8), 0..40);
    let blocks = proptest::collection::vec((0_usize..8, 0_usize..8, any::<bool>()), 0..8);
    (edges, blocks).prop_map(|(edges, blocks)| {
        let versions: Vec<String> = (0..8).map(|patch| format!("4.1.{patch}")).collect();
        let names: Vec<&str> = versions.iter().map(String::as_str).collect();
        let blocks = blocks.into_iter().map(|(to, from, known)| {
            let from = format!("^4[.]1[.]{from}[+]");
            if known {
                issue(&format!("Issue{to}"), &versions[to], &from)
            } else {
                block(&format!("{to}.yaml"), &versions[to], &from)
            }
        });
        (raw(&names, &edges), blocks.collect())
    })
}

fn offered(graph: &Graph) -> Vec<(usize, usize)> {
    (0..graph.releases().len())
        .flat_map(|to| {
            graph
                .offered_into(to)
                .map(move |(from, _)| (from, to))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether releases can be taken off one by one, each with no edge into it left.
fn has_no_circle(edges: &[(usize, usize)], releases: usize) -> bool {
    let mut left: Vec<usize> = (0..releases).collect();
    loop {
        let before = left.len();
        let stuck: Vec<usize> = left
            .iter()
            .copied()
            .filter(|to| {
                edges
                    .iter()
                    .any(|(from, end)| end == to && left.contains(from))
            })
            .collect();
        left = stuck;
        if left.len() == before {
            return left.is_empty();
        }
    }
}

proptest! {
    #[test]
    fn offered_edges_form_no_circle((raw, blocks) in any_graph()) {
        let graph = Graph::build(raw, super::blocks(&blocks));

        prop_assert!(has_no_circle(&offered(&graph), 8));
    }

    #[test]
    fn every_edge_that_came_is_there_or_named((raw, blocks) in any_graph()) {
        let came = raw.edges.clone();

        let graph = Graph::build(raw, super::blocks(&blocks));

        for (from, to) in came {
            if from == to {
                let named = Aside::ToItself { version: graph.releases()[to].text.clone() };
                prop_assert!(graph.aside().contains(&named));
            } else {
                let standing = graph.edge(from, to);
                let told = match &standing {
                    None => false,
                    Some(Standing::Safe) => true,
                    Some(Standing::Conditional { risks, .. }) => !risks.is_empty(),
                    Some(Standing::Blocked(why)) => !why.is_empty(),
                };
                prop_assert!(told, "{from} to {to}: {standing:?}");
            }
        }
    }

    #[test]
    fn the_order_of_edges_and_files_changes_nothing_that_is_served((raw, blocks) in any_graph()) {
        let mut turned = raw.clone();
        turned.edges.reverse();
        let mut turned_blocks = blocks.clone();
        turned_blocks.reverse();

        let one = Graph::build(raw, super::blocks(&blocks));
        let other = Graph::build(turned, super::blocks(&turned_blocks));

        prop_assert_eq!(offered(&one), offered(&other));
        prop_assert_eq!(one.counts(), other.counts());
        prop_assert_eq!(one.risks(), other.risks());
    }

    #[test]
    fn one_more_block_never_offers_an_edge_that_was_not_offered((raw, blocks) in any_graph(), to in 0_usize..8) {
        let more = super::block("more.yaml", &format!("4.1.{to}"), ".*");
        let before = Graph::build(raw.clone(), super::blocks(&blocks));

        let after = Graph::build(raw, super::blocks(&[blocks.as_slice(), &[more]].concat()));

        let before = offered(&before);
        prop_assert!(offered(&after).iter().all(|edge| before.contains(edge)));
    }
}
