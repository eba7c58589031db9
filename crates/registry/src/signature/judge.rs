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
    /// Set when a bundle was needed that does not count in Kubewarden, which would refuse this image.
    pub rests_on_bundles: bool,
}

/// Whether the signatures of an image are as required. Without `trust` nothing is known about authorities and
/// transparency logs: certificates of keyless signatures are not believed, entries of logs not looked at, and no bundle
/// counts.
///
/// The signatures of both forms make one list, tag form first, as in policy-server.
pub(super) fn judge(
    stored: &StoredSignatures,
    wanted: &Requirement,
    trust: Option<&Trust>,
) -> Result<Verified, Refusal> {
    let verified = |rests_on_bundles| Ok(Verified { digest: stored.digest.clone(), rests_on_bundles });
    let (tag, tag_discarded) = in_tag_form(stored, trust);
    let (bundles, discarded) = in_bundles(stored, trust, bundle::counted);
    let mut signatures: Vec<&Signature> = tag.iter().chain(&bundles).collect();
    let refusal = match unmet(wanted, &signatures) {
        Unmet::Nothing => return verified(false),
        unmet => Refusal::unmet(&unmet, tag_discarded.iter().chain(&discarded)).with_remarks(remarks(stored)),
    };
    if stored.bundles.is_empty() {
        return Err(refusal);
    }
    // Bundles that count for us alone.
    let (more, more_discarded) = in_bundles(stored, trust, bundle::accepted);
    signatures.extend(&more);
    match unmet(wanted, &signatures) {
        Unmet::Nothing if wanted.accepts_bundles => verified(true),
        Unmet::Nothing => Err(refusal.with_bundles_that_would_do()),
        _ if wanted.accepts_bundles => {
            let signatures: Vec<&Signature> = tag.iter().chain(&more).collect();
            let discarded = tag_discarded.iter().chain(&more_discarded);
            Err(Refusal::unmet(&unmet(wanted, &signatures), discarded).with_remarks(remarks(stored)))
        }
        _ => Err(refusal),
    }
}

/// What is wrong with the tag for signatures. Kubewarden only logs it.
fn remarks(stored: &StoredSignatures) -> Vec<String> {
    match &stored.tag {
        TagForm::Absent if stored.bundles.is_empty() => vec!["the image is not signed".to_owned()],
        TagForm::Absent | TagForm::Layers(_) => Vec::new(),
        TagForm::Unusable(reason) => vec![reason.clone()],
    }
}

/// The constraints that no signature meets.
fn unmet<'a>(wanted: &'a Requirement, signatures: &[&Signature]) -> Unmet<'a> {
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

/// How a bundle is read: its bytes, the digest it has to sign, the name of the image, the trust root.
type ReadBundle = fn(&[u8], &str, &str, Option<&Trust>) -> Result<bundle::Read, SignatureError>;

fn in_bundles(stored: &StoredSignatures, trust: Option<&Trust>, read: ReadBundle) -> (Vec<Signature>, Vec<Discarded>) {
    parse_all(Form::Bundle, &stored.bundles, |bundle| read(bundle, &stored.digest, &stored.image, trust))
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
