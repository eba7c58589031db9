//! Signatures of images, judged as Kubewarden judges them.
//!
//! [`judge`] is given what the registry holds, as bytes, and who must have signed; [`Verifier`] asks the registry first. The
//! cryptography is that of
//! `sigstore`, the crate policy-server uses; nothing outside of this folder names it.
//!
//! Two kinds of signatures are understood. Those in *tag form* are layers of a manifest under the tag
//! `sha256-<digest>.sig`: what cosign made before version 3, and all that Kubewarden sees. *Bundles* are Sigstore's newer
//! documents (media type `application/vnd.dev.sigstore.bundle.v0.3+json`) that refer to the image; they count only where
//! the user says so.

mod bundle;
mod certificate;
mod constraint;
mod payload;
mod refusal;
mod rekor;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod trust;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use sigstore::cosign::SignatureLayer;

use certificate::Identity;
pub use constraint::check_key;
use policy_verify_model::signature::{Requirement, Signer};
pub use refusal::Refusal;
use refusal::Unmet;
pub use trust::{Trust, TrustRoot};
pub use verify::{Trouble, Verifier};

/// How signatures are checked. By default only those are that a suite asks for, with the trust root of the public Sigstore.
#[derive(Debug, Clone, Default)]
pub struct SignatureOptions {
    /// A verification-config.yml of kwctl: what every policy of a registry has to show.
    pub verification_config: Option<PathBuf>,
    /// A `ClientTrustConfig` in JSON: whom to believe.
    pub trust_config: Option<PathBuf>,
}

/// What a registry holds about the signatures of an image.
#[derive(Debug, Default)]
pub struct Found {
    /// The image, with registry and tag: the name errors use.
    pub(crate) image: String,
    /// Digest of its manifest.
    pub(crate) digest: String,
    /// What is under the tag `sha256-<digest>.sig`.
    pub(crate) tag: TagForm,
    /// The bundles that refer to the manifest.
    pub(crate) bundles: Vec<Vec<u8>>,
}

/// What is under the tag for signatures.
#[derive(Debug, Default)]
pub(crate) enum TagForm {
    /// There is no such tag.
    #[default]
    Absent,
    /// The manifest cannot be used; the text is what policy-server says about it.
    Unusable(String),
    /// Its layers.
    Layers(Vec<Layer>),
}

/// A layer of the manifest with signatures.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its descriptor.
    pub(crate) descriptor: Descriptor,
    /// The blob, checked against the descriptor's digest; or why it is not looked at.
    pub(crate) payload: Result<Vec<u8>, String>,
}

/// A descriptor, as far as signatures need it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// An image whose signatures are as required.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// Digest of the manifest that is signed.
    pub digest: String,
    /// Set when a bundle was needed: Kubewarden would refuse this image.
    pub rests_on_bundles: bool,
}

/// A signature that says something about the image. Who made it is up to the constraints.
#[derive(Debug)]
struct Signature {
    form: Form,
    /// Position among those of its form, from 1, for messages.
    number: usize,
    layer: SignatureLayer,
    /// Who made it, where a certificate says so and can be believed; or why nobody knows.
    identity: Result<Identity, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Tag,
    Bundle,
}

/// Something that calls itself a signature and is not counted: which one, and why.
#[derive(Debug)]
struct Discarded(String);

/// Whether the signatures of an image are as required. Without `trust` nothing is known about authorities and
/// transparency logs: certificates of keyless signatures are not believed, entries of logs not looked at.
pub(crate) fn judge(found: &Found, wanted: &Requirement, trust: Option<&Trust>) -> Result<Verified, Refusal> {
    let (mut signatures, mut discarded) = in_tag_form(found, trust);
    let by_tag = verdict(found, wanted, &signatures, &discarded);
    let refusal = match by_tag {
        Ok(()) => return Ok(Verified { digest: found.digest.clone(), rests_on_bundles: false }),
        Err(refusal) => refusal,
    };
    if found.bundles.is_empty() {
        return Err(refusal);
    }
    let (of_bundles, discarded_bundles) = in_bundles(found, trust);
    signatures.extend(of_bundles);
    discarded.extend(discarded_bundles);
    match unmet(wanted, &signatures) {
        Unmet::Nothing if wanted.accepts_bundles => {
            Ok(Verified { digest: found.digest.clone(), rests_on_bundles: true })
        }
        Unmet::Nothing => Err(refusal.with_bundles_that_would_do()),
        still if wanted.accepts_bundles => Err(Refusal::unmet(&still, &discarded)),
        _ => Err(refusal.with_bundles(found.bundles.len())),
    }
}

/// What policy-server says about the signatures it sees.
fn verdict(
    found: &Found,
    wanted: &Requirement,
    signatures: &[Signature],
    discarded: &[Discarded],
) -> Result<(), Refusal> {
    match &found.tag {
        TagForm::Absent => return Err(Refusal::no_signatures(&found.image)),
        TagForm::Unusable(text) => return Err(Refusal::unusable(text)),
        TagForm::Layers(_) if signatures.is_empty() => return Err(Refusal::nothing_usable(discarded)),
        TagForm::Layers(_) => {}
    }
    match unmet(wanted, signatures) {
        Unmet::Nothing => Ok(()),
        unmet => Err(Refusal::unmet(&unmet, discarded)),
    }
}

/// The constraints that no signature meets.
fn unmet<'a>(wanted: &'a Requirement, signatures: &[Signature]) -> Unmet<'a> {
    let check = |signers: &'a [Signer]| -> Vec<(&'a Signer, constraint::Unmet)> {
        let unmet = signers.iter().map(|signer| (signer, constraint::check(signer, signatures)));
        unmet.filter_map(|(signer, result)| result.err().map(|unmet| (signer, unmet))).collect()
    };
    let all_of = check(&wanted.all_of);
    if !all_of.is_empty() {
        return Unmet::AllOf(all_of);
    }
    let Some(any_of) = &wanted.any_of else { return Unmet::Nothing };
    let missing = check(&any_of.signers);
    let met = any_of.signers.len() - missing.len();
    if met >= usize::from(any_of.minimum_matches) {
        return Unmet::Nothing;
    }
    Unmet::AnyOf { needed: any_of.minimum_matches, met, missing }
}

fn in_tag_form(found: &Found, trust: Option<&Trust>) -> (Vec<Signature>, Vec<Discarded>) {
    let TagForm::Layers(layers) = &found.tag else { return Default::default() };
    sorted_out(Form::Tag, layers, |layer| payload::read(layer, &found.digest, trust))
}

fn in_bundles(found: &Found, trust: Option<&Trust>) -> (Vec<Signature>, Vec<Discarded>) {
    sorted_out(Form::Bundle, &found.bundles, |bundle| bundle::read(bundle, &found.digest, &found.image, trust))
}

/// Reads each of `items`; those that cannot be read are discarded, as in policy-server.
fn sorted_out<T>(
    form: Form,
    items: &[T],
    read: impl Fn(&T) -> Result<(SignatureLayer, Result<Identity, String>), String>,
) -> (Vec<Signature>, Vec<Discarded>) {
    let (mut signatures, mut discarded) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let number = index + 1;
        match read(item) {
            Ok((layer, identity)) => signatures.push(Signature { form, number, layer, identity }),
            Err(reason) => discarded.push(Discarded(format!("{} is not counted: {reason}", form.named(number)))),
        }
    }
    (signatures, discarded)
}

impl Form {
    /// `signature 2`, `bundle 1`.
    fn named(self, number: usize) -> String {
        match self {
            Self::Tag => format!("signature {number}"),
            Self::Bundle => format!("bundle {number}"),
        }
    }
}

impl Signature {
    fn named(&self) -> String {
        self.form.named(self.number)
    }
}
