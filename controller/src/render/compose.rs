//! Makes the configs that a node is given while its kubelet part is withheld (design.md 5).

use super::convert::{from_rendering, to_rendering};
use super::publish;
use crate::context::Context;
use crate::error::ApiError;
use api::names::config as names;
use kube::ResourceExt;
use rendering::render::rendered_config;
use rendering::split::{KubeletPaths, withhold};
use rollout::plan::Compose;
use tracing::{debug, warn};

/// Makes the config that a plan asks for, if it is not there. What cannot be made is asked for again.
pub async fn make(context: &Context, wish: &Compose) -> Result<(), ApiError> {
    let configs = &context.stores.configs;
    let current = configs.get(wish.kubelet_part_of.as_str());
    let target = configs.get(wish.rest_of.as_str());
    let pool = context.stores.pools.get(wish.pool.as_str());
    let (Some(current), Some(target), Some(pool)) = (current, target, pool) else {
        debug!(target = %wish.rest_of, "a config that is to be composed is not there yet");
        return Ok(());
    };
    let withheld = withhold(
        &to_rendering(&current),
        &to_rendering(&target),
        &KubeletPaths::default(),
    );
    let withheld = match withheld {
        Ok(withheld) => withheld,
        Err(refusal) => {
            warn!(
                current = %wish.kubelet_part_of, target = %wish.rest_of, error = %refusal,
                "the kubelet part cannot be withheld"
            );
            return Ok(());
        }
    };
    let composed = rendered_config(wish.pool.as_str(), withheld.spec, withheld.kubelet_version);
    let mut object = from_rendering(composed);
    object
        .annotations_mut()
        .insert(names::WITHHOLDS.to_owned(), wish.rest_of.to_string());
    if configs.get(&object.name_any()).is_some() {
        return Ok(());
    }
    publish::create_rendered(context, &pool, object).await?;
    Ok(())
}
