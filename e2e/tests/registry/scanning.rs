//! What a scan finds, and what it costs.

use std::time::Duration;

use e2e::registry::Options;
use e2e::registry::filler::{FLAVOURS, Plan, move_tag, packed, push_layers};
use updates::keys;

use crate::support::{Cost, Stage, cost, graph, scanner_again, versions};

#[tokio::test(flavor = "multi_thread")]
async fn every_release_is_found_with_its_architecture_and_nothing_else() {
    let stage = Stage::few().await;

    let found = versions(&stage.scanner()).await;

    let mut expected: Vec<String> = stage
        .filled
        .versions
        .iter()
        .flat_map(|version| FLAVOURS.map(|(architecture, _)| format!("{version}+{architecture}")))
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    assert!(!stage.filled.others.is_empty(), "there was nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_named_by_the_digest_that_its_tag_leads_to() {
    let stage = Stage::few().await;

    let raw = stage.scanner().scan().await.unwrap().raw();

    for (tag, version) in [
        ("4.12.1-x86_64", "4.12.1+amd64"),
        ("4.12.1-multi", "4.12.1+multi"),
    ] {
        let digest = &stage.filled.releases[tag];
        let release = raw.releases.iter().find(|r| r.version == version).unwrap();
        let payload = format!("{}@{digest}", stage.repository());
        assert_eq!(release.payload.as_ref(), Some(&payload));
        assert_eq!(release.metadata[keys::MANIFEST], digest.to_string());
        assert_eq!(release.metadata["url"], "https://errata.example/1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_are_those_that_the_images_tell() {
    let stage = Stage::few().await;

    let graph = graph(&stage.scanner()).await;

    // Each version comes from the two before it, on each of the five kinds of machines.
    assert_eq!(graph.counts().safe, 3 * FLAVOURS.len());
    assert_eq!(graph.aside(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_blob_is_read_twice_and_a_second_scan_asks_for_the_tags_alone() {
    let stage = Stage::with(
        Options::default(),
        Plan {
            versions: 120,
            others_every: 20,
        },
    )
    .await;
    let scanner = stage.scanner();
    assert_eq!(stage.filled.releases.len(), 600);

    assert_eq!(versions(&scanner).await.len(), 600);
    let cold = cost(&scanner);
    assert_eq!(versions(&scanner).await.len(), 600);
    let again = cost(&scanner).since(&cold);

    // For each release the layer with its metadata; a configuration for each of four machines, which releases share here;
    // the layer on top of all. Of 30 components their own layer, and the one below all.
    assert_eq!(cold.blobs, 600 + 4 + 1 + 30 + 1);
    assert_eq!(
        again,
        Cost {
            pages: 1,
            manifests: 0,
            unchanged: 0,
            blobs: 0
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tag_costs_a_page_a_manifest_and_what_nobody_has_read() {
    let stage = Stage::few().await;
    let scanner = stage.scanner();
    versions(&scanner).await;
    let before = cost(&scanner);
    let (registry, repository) = (stage.server.client().unwrap(), stage.repository());
    // The image of another tag, whose layers and configuration are known.
    move_tag(&registry, &repository, "again", 1).await.unwrap();

    versions(&scanner).await;

    let cost = cost(&scanner).since(&before);
    assert_eq!((cost.pages, cost.manifests, cost.blobs), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moved_is_noticed_when_its_turn_comes() {
    let stage = Stage::few().await;
    let (registry, repository) = (stage.server.client().unwrap(), stage.repository());
    let scanner = scanner_again(registry.clone(), repository.clone(), Duration::ZERO);
    versions(&scanner).await;
    let before = cost(&scanner);
    move_tag(&registry, &repository, "4.12.0-x86_64", 30)
        .await
        .unwrap();

    let found = versions(&scanner).await;

    assert!(found.contains(&"4.13.10+amd64".to_owned()), "{found:?}");
    assert!(!found.contains(&"4.12.0+amd64".to_owned()), "{found:?}");
    let cost = cost(&scanner).since(&before);
    // One question for each tag; its metadata and its configuration are new, the layer above is known.
    assert_eq!((cost.manifests, cost.blobs), (1, 1));
    assert_eq!(
        usize::try_from(cost.unchanged).unwrap(),
        stage.filled.releases.len() + stage.filled.others.len() - 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_no_release_though_it_should_be_is_named_and_the_rest_is_found() {
    let stage = Stage::few().await;
    let (registry, repository) = (stage.server.client().unwrap(), stage.repository());
    let slip = packed(&[("release-manifests/release-metadata", r#"{"kind":"later"}"#)]).unwrap();
    push_layers(&registry, &repository, "4.12.9-x86_64", vec![slip])
        .await
        .unwrap();

    let graph = graph(&stage.scanner()).await;

    let [aside] = graph.aside() else {
        panic!("{:?}", graph.aside())
    };
    assert_eq!(aside.reason(), "UnreadableImage");
    assert!(aside.to_string().contains("4.12.9-x86_64"), "{aside}");
    assert_eq!(graph.counts().safe, 3 * FLAVOURS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_layer_no_more_is_read_than_up_to_the_metadata() {
    let stage = Stage::few().await;
    let (registry, repository) = (stage.server.client().unwrap(), stage.repository());
    // What does not pack, behind the file.
    let mut noise = String::new();
    let mut seed = 1_u32;
    while noise.len() < 6 << 20 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push(char::from(b' ' + u8::try_from((seed >> 16) % 95).unwrap()));
    }
    let document = r#"{"kind":"cincinnati-metadata-v0","version":"4.99.0"}"#;
    let large = packed(&[
        ("release-manifests/release-metadata", document),
        ("usr/lib/large", &noise),
    ])
    .unwrap();
    let size = large.len() as u64;
    push_layers(&registry, &repository, "4.99.0-x86_64", vec![large])
        .await
        .unwrap();
    let scanner = stage.scanner();

    let found = versions(&scanner).await;

    assert!(found.contains(&"4.99.0+amd64".to_owned()), "{found:?}");
    let read = scanner.registry().counts().blob_bytes();
    assert!(size > 4 << 20, "{size}");
    assert!(read < 2 << 20, "{read} bytes were read");
}
