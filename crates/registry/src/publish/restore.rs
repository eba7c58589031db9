//! A push that fails half way: tags that have moved already are put back, as far as the registry lets us.
//!
//! A tag that led somewhere gets its old manifest again, byte for byte. A tag that is new is deleted; registries need not
//! offer that, and some have meant the manifest when they were told to delete a tag, so that it is tried only where this
//! push was the first to bring the manifest, and had seen that there was no such tag. What cannot be put back is said.
//!
//! No registry moves a tag on condition. Another push of the same bytes that found a tag where it wanted it has no part in
//! any of this, and learns nothing of a tag that is put back.

use oci_client::Reference;

use super::Job;
use crate::error::RegistryError;
use policy_verify_model::publication::TagState;

impl Job<'_> {
    /// Lets every tag lead where it did before, last moved first.
    pub(super) async fn put_back_tags(&mut self) {
        for index in (0..self.tags.len()).rev() {
            if self.tags[index].state != TagState::Moved {
                continue;
            }
            let tagged = self.tagged(&self.tags[index].name);
            // Somebody else may have moved it since: then it is no longer ours.
            let is_ours = matches!(self.registry.published_digest(&tagged).await, Ok(now) if now == self.digest);
            let before = self.tags[index].before.clone();
            let is_new = self.free.contains(&self.tags[index].name);
            if is_ours && self.put_back(&tagged, before.as_deref(), is_new).await.is_ok_and(|is_back| is_back) {
                self.tags[index].state = TagState::Restored;
            }
        }
    }

    /// Whether the tag leads again where it did before. Where `before` is missing and it is not known to be new, it may
    /// have led anywhere.
    async fn put_back(&self, tagged: &Reference, before: Option<&str>, is_new: bool) -> Result<bool, RegistryError> {
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
