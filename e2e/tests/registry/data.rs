//! Graph data from an image.

use e2e::registry::filler::{packed, push_layers};
use e2e::registry::{Options, Server};
use std::sync::Arc;
use updates::registry::{Asked, Registry, Repository};
use updates::source::DataImage;

const TAG: &str = "latest";
const FOLDER: &str = "var/lib/cincinnati-graph-data";

async fn server() -> (Server, Registry, Repository) {
    let server = Server::start(Options::default()).await.unwrap();
    let registry = server.client().unwrap();
    let repository = server.repository("graph-data").unwrap();
    (server, registry, repository)
}

fn data(channel: &str) -> Vec<u8> {
    packed(&[
        (&format!("{FOLDER}/version"), "1.1.0\n"),
        (&format!("{FOLDER}/raw/metadata.json"), "{}"),
        (
            &format!("{FOLDER}/blocked-edges/4.12.1.yaml"),
            "to: 4.12.1\nfrom: .*\n",
        ),
        (
            &format!("{FOLDER}/channels/{channel}.yaml"),
            &format!("name: {channel}\nversions: [4.12.0, 4.12.1]\n"),
        ),
    ])
    .unwrap()
}

fn below() -> Vec<u8> {
    packed(&[("etc/os-release", "NAME=any\n")]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn graph_data_is_read_from_an_image_and_again_only_when_its_tag_moves() {
    let (server, registry, repository) = server().await;
    let layers = vec![below(), data("stable-4.12")];
    push_layers(&registry, &repository, TAG, layers)
        .await
        .unwrap();
    let asking = server.client().unwrap();
    let image = format!("{repository}:{TAG}").parse().unwrap();
    let image = DataImage::new(asking.clone(), image);

    let first = image.ask().await.unwrap();
    let same = image.ask().await.unwrap();
    let layers = vec![below(), data("fast-4.12")];
    push_layers(&registry, &repository, TAG, layers)
        .await
        .unwrap();
    let other = image.ask().await.unwrap();

    assert!(first.files.contains_key("channels/stable-4.12.yaml"));
    assert!(Arc::ptr_eq(&first, &same));
    assert!(other.files.contains_key("channels/fast-4.12.yaml"));
    // Two layers the first time; the lower one is known the second time.
    assert_eq!(asking.counts().of(Asked::Blob), 3);
    assert_eq!(asking.counts().of(Asked::Unchanged), 1);
    let read = updates::GraphData::read(&other).unwrap();
    assert_eq!((read.blocks.len(), read.channels.len()), (1, 1));
    assert_eq!(read.problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_graph_data_is_told() {
    let (_server, registry, repository) = server().await;
    push_layers(&registry, &repository, TAG, vec![below()])
        .await
        .unwrap();
    let image = format!("{repository}:{TAG}").parse().unwrap();

    let failed = DataImage::new(registry, image).ask().await.unwrap_err();

    assert!(
        failed.to_string().contains("no layer has a file `version`"),
        "{failed}"
    );
}
