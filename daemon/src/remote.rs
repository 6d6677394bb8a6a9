//! Contents from elsewhere: fetched before anything is touched, and kept beside the configs that name them.
//!
//! Guarantees: what is kept is what the config's hash says, also after a damaged disk; a start, a proof and the way back ask
//! nobody (promise 6). What no kept config names any more is dropped.

use crate::config::Rendered;
use crate::core::Memory;
use crate::host::{Host, HostError};
use crate::journal;
use rendering::contents::{Hash, Remote};
use std::collections::BTreeSet;

/// All kept contents' keys start so; the hash's digits follow.
const PREFIX: &str = "content-";

fn key(hash: &Hash) -> String {
    format!("{PREFIX}{}", hash.digits())
}

/// Fills in what is kept; the first path whose contents are not.
pub(crate) async fn fill(
    host: &impl Host,
    rendered: &mut Rendered,
) -> Result<Option<String>, HostError> {
    let mut missing = None;
    for (path, wish) in rendered.remote.clone() {
        match load(host, &wish.remote.hash).await? {
            Some(content) => rendered.fill(&path, content),
            None => missing = missing.or(Some(path)),
        }
    }
    Ok(missing)
}

/// Fills in everything, and fetches and keeps what is not kept yet.
///
/// # Errors
///
/// What could not be had, with the path, in words.
pub(crate) async fn bring(host: &impl Host, rendered: &mut Rendered) -> Result<(), String> {
    for (path, wish) in rendered.remote.clone() {
        let brought = bring_one(host, &wish.remote).await;
        let content = brought.map_err(|error| format!("file {path}: {error}"))?;
        rendered.fill(&path, content);
    }
    Ok(())
}

async fn bring_one(host: &impl Host, remote: &Remote) -> Result<Vec<u8>, String> {
    let in_full = |error: HostError| error.in_full();
    if let Some(content) = load(host, &remote.hash).await.map_err(in_full)? {
        return Ok(content);
    }
    let fetched = host.fetch(&remote.url).await.map_err(in_full)?;
    let content = remote.contents(fetched);
    let content = content.map_err(|error| format!("{}: {error}", remote.url))?;
    let stored = host.store(&key(&remote.hash), &content).await;
    stored.map_err(in_full)?;
    Ok(content)
}

async fn load(host: &impl Host, hash: &Hash) -> Result<Option<Vec<u8>>, HostError> {
    let kept = host.load(&key(hash)).await?;
    Ok(kept.filter(|content| hash.fits(content)))
}

/// Drops the contents that no config in `memory` names. A config that cannot be read could name any.
pub(crate) async fn drop_unnamed(host: &impl Host, memory: &Memory) -> Result<(), HostError> {
    let kept = host.keys(PREFIX).await?;
    if kept.is_empty() {
        return Ok(());
    }
    let mut named = BTreeSet::new();
    for name in memory.configs() {
        let Some(blob) = journal::load_config(host, name).await? else {
            continue;
        };
        let Ok(rendered) = Rendered::read(name, &blob) else {
            return Ok(());
        };
        named.extend(rendered.remote.values().map(|it| key(&it.remote.hash)));
    }
    for key in kept {
        if !named.contains(&key) {
            host.discard(&key).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::memory::MemoryHost;
    use futures::executor::block_on;
    use serde_json::json;

    const URL: &str = "https://files.example.com/a";
    const HASH_OF_A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    const NAME: &str = "rendered-worker-1";

    fn blob() -> Vec<u8> {
        let contents = json!({
            "source": URL,
            "verification": {"hash": format!("sha256-{HASH_OF_A}")},
        });
        json!({"metadata": {"name": NAME}, "spec": {"config": {
            "ignition": {"version": "3.4.0"},
            "storage": {"files": [{"path": "/etc/a", "contents": contents}]},
        }}})
        .to_string()
        .into_bytes()
    }

    fn rendered() -> Rendered {
        Rendered::read(NAME, &blob()).unwrap()
    }

    fn content(rendered: &Rendered) -> Option<&[u8]> {
        let file = rendered.content.files.get("/etc/a");
        file.map(|file| file.content.as_slice())
    }

    #[test]
    fn contents_are_fetched_once_and_kept_for_a_time_without_anybody() {
        let host = MemoryHost::new();
        host.publish(URL, Some(b"a"));
        block_on(bring(&host, &mut rendered())).unwrap();
        host.publish(URL, None);
        let mut later = rendered();
        assert_eq!(block_on(fill(&host, &mut later)).unwrap(), None);
        assert_eq!(content(&later), Some(b"a".as_slice()));
    }

    #[test]
    fn contents_with_another_hash_are_refused_with_path_and_url_and_not_kept() {
        let host = MemoryHost::new();
        host.publish(URL, Some(b"b"));
        let error = block_on(bring(&host, &mut rendered())).unwrap_err();
        assert!(error.contains("/etc/a") && error.contains(URL), "{error}");
        assert!(host.disk().blobs.is_empty());
    }

    #[test]
    fn contents_that_a_damaged_disk_changed_count_as_not_kept() {
        let host = MemoryHost::new();
        host.publish(URL, Some(b"a"));
        block_on(bring(&host, &mut rendered())).unwrap();
        host.tamper(|disk| {
            for blob in disk.blobs.values_mut() {
                blob.push(b'x');
            }
        });
        let missing = block_on(fill(&host, &mut rendered())).unwrap();
        assert_eq!(missing.as_deref(), Some("/etc/a"));
    }

    #[test]
    fn contents_go_when_no_config_names_them_any_more() {
        let host = MemoryHost::new();
        host.publish(URL, Some(b"a"));
        block_on(journal::store_config(&host, NAME, &blob())).unwrap();
        block_on(bring(&host, &mut rendered())).unwrap();
        let naming = Memory {
            on_disk: Some(NAME.to_owned()),
            ..Memory::default()
        };
        block_on(drop_unnamed(&host, &naming)).unwrap();
        assert_eq!(block_on(host.keys(PREFIX)).unwrap().len(), 1);
        block_on(drop_unnamed(&host, &Memory::default())).unwrap();
        assert_eq!(block_on(host.keys(PREFIX)).unwrap().len(), 0);
    }
}
