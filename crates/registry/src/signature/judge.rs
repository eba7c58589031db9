//! Whether the signatures of an image satisfy a requirement, judged as policy-server judges it.

use policy_verify_model::signature::{Requirement, Signer};
use sigstore::cosign::SignatureLayer;

use super::candidate::{Discarded, Form, Signature};
use super::certificate::Identity;
use super::error::SignatureError;
use super::refusal::{Refusal, Unmet};
use super::stored::{StoredSignatures, TagForm};
use super::trust::Trust;
use super::{bundle, constraint, payload};

/// An image whose signatures are as required.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// Digest of the manifest that is signed.
    pub digest: String,
    /// Set when a bundle was needed: Kubewarden would refuse this image.
    pub rests_on_bundles: bool,
}

/// Whether the signatures of an image are as required. Without `trust` nothing is known about authorities and
/// transparency logs: certificates of keyless signatures are not believed, entries of logs not looked at.
pub(super) fn judge(
    stored: &StoredSignatures,
    wanted: &Requirement,
    trust: Option<&Trust>,
) -> Result<Verified, Refusal> {
    let (mut signatures, mut discarded) = in_tag_form(stored, trust);
    let by_tag = verdict(stored, wanted, &signatures, &discarded);
    let refusal = match by_tag {
        Ok(()) => return Ok(Verified { digest: stored.digest.clone(), rests_on_bundles: false }),
        Err(refusal) => refusal,
    };
    if stored.bundles.is_empty() {
        return Err(refusal);
    }
    let (of_bundles, discarded_bundles) = in_bundles(stored, trust);
    signatures.extend(of_bundles);
    discarded.extend(discarded_bundles);
    match unmet(wanted, &signatures) {
        Unmet::Nothing if wanted.accepts_bundles => {
            Ok(Verified { digest: stored.digest.clone(), rests_on_bundles: true })
        }
        Unmet::Nothing => Err(refusal.with_bundles_that_would_do()),
        still if wanted.accepts_bundles => Err(Refusal::unmet(&still, &discarded)),
        _ => Err(refusal.with_bundles(stored.bundles.len())),
    }
}

/// The verdict of policy-server, which sees signatures in tag form only.
fn verdict(
    stored: &StoredSignatures,
    wanted: &Requirement,
    signatures: &[Signature],
    discarded: &[Discarded],
) -> Result<(), Refusal> {
    match &stored.tag {
        TagForm::Absent => return Err(Refusal::no_signatures(&stored.image)),
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

fn in_tag_form(stored: &StoredSignatures, trust: Option<&Trust>) -> (Vec<Signature>, Vec<Discarded>) {
    let TagForm::Layers(layers) = &stored.tag else { return Default::default() };
    parse_all(Form::Tag, layers, |layer| payload::read(layer, &stored.digest, trust))
}

fn in_bundles(stored: &StoredSignatures, trust: Option<&Trust>) -> (Vec<Signature>, Vec<Discarded>) {
    parse_all(Form::Bundle, &stored.bundles, |bundle| bundle::read(bundle, &stored.digest, &stored.image, trust))
}

/// Parses each of `items`; invalid ones are discarded, as in policy-server.
fn parse_all<T>(
    form: Form,
    items: &[T],
    parse: impl Fn(&T) -> Result<(SignatureLayer, Result<Identity, SignatureError>), SignatureError>,
) -> (Vec<Signature>, Vec<Discarded>) {
    let (mut signatures, mut discarded) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let number = index + 1;
        match parse(item) {
            Ok((layer, identity)) => signatures.push(Signature { form, number, layer, identity }),
            Err(reason) => discarded.push(Discarded { form, number, reason }),
        }
    }
    (signatures, discarded)
}
