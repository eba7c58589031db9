//! Rollback of a failed push: moved tags are restored, as far as the registry supports it.
//!
//! A tag that existed gets its old manifest again, byte for byte. A new tag is deleted; not every registry supports that,
//! and some delete the manifest instead of the tag, so it is tried only where this push created both. Tags that cannot be
//! restored are listed in the message.
//!
//! Registries have no conditional move: a concurrent push of the same bytes is not notified of a restored tag.

use oci_client::Reference;

use super::job::Job;
use crate::error::RegistryError;
use policy_verify_model::publication::TagState;

impl Job<'_> {
    /// Restores all moved tags, the last moved first.
    pub(super) async fn restore_tags(&mut self) {
        for index in (0..self.tags.len()).rev() {
            if self.tags[index].state != TagState::Moved {
                continue;
            }
            let tagged = self.tagged(&self.tags[index].name);
            // Another push may have moved it since; then it stays.
            let is_unchanged = matches!(self.registry.published_digest(&tagged).await, Ok(now) if now == self.digest);
            let before = self.tags[index].before.clone();
            let is_new = self.free.contains(&self.tags[index].name);
            if is_unchanged
                && self.restore_tag(&tagged, before.as_deref(), is_new).await.is_ok_and(|is_restored| is_restored)
            {
                self.tags[index].state = TagState::Restored;
            }
        }
    }

    /// Whether the tag points where it did before. Without `before`, and not known to be new, its old target is unknown.
    async fn restore_tag(&self, tagged: &Reference, before: Option<&str>, is_new: bool) -> Result<bool, RegistryError> {
        match before {
            Some(before) => {
                let old = self.registry.published_manifest(&tagged.clone_with_digest(before.to_owned())).await?;
                self.registry.push_tag(tagged, tagged.tag().unwrap_or_default(), &old.bytes, old.media_type()).await?;
                Ok(self.registry.published_digest(tagged).await?.as_str() == before)
            }
            None if is_new && self.is_first => {
                self.registry.delete_tag(tagged).await?;
                Ok(self.registry.published_digest_if_any(tagged).await?.is_none())
            }
            None => Ok(false),
        }
    }
}
