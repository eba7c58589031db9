//! `signedBy:` of a policy, and verification-config.yml of kwctl: required signatures.

use std::path::Path;
use std::sync::Arc;

use super::files::{Files, KeyCheck};
use super::mistake::{Mistakes, mistake};
use super::schema::{AnyOfEntry, SignatureEntry, SignatureKind, SignedByEntry, SubjectEntry, VerificationFile};
use super::{read, yaml};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::release::Release;
use policy_verify_model::signature::{AnyOf, Certificate, Requirement, SignedBy, Signer, Subject};
use policy_verify_model::source::{SourceFile, Span, Spanned};

/// What `signedBy:` requires: all of it.
pub(super) fn required(
    entries: &[Spanned<SignedByEntry>],
    release: Release,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Vec<Requirement> {
    let mut required = Vec::new();
    for entry in entries {
        match requirement(&entry.value, &entry.span, release, files, mistakes) {
            Ok(requirement) => required.extend(requirement),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    required
}

/// Reads a verification-config.yml that the command line names, as `release` does. The warnings are those about it.
///
/// # Errors
///
/// All its mistakes.
pub fn verification_config(
    path: &Path,
    release: Release,
    check_key: KeyCheck,
) -> Result<(Requirement, Vec<Diagnostic>), Vec<Diagnostic>> {
    let place = Span::unquoted(path.to_string_lossy());
    let unreadable = |error: std::io::Error| {
        let message = format!("cannot read `{}`: {error}", path.display());
        vec![mistake(&place, message).with_code(Code::FileNotFound)]
    };
    let files = Files::of_suite(path, None, check_key).map_err(unreadable)?;
    let real_path = path.canonicalize().map_err(unreadable)?;
    let file = files.read_text(&real_path).map_err(|mistake| vec![mistake.at(&place)])?;
    let mut mistakes = Mistakes::default();
    match from_config(&file, release, &files, &mut mistakes) {
        Some(requirement) if mistakes.is_empty() => Ok((requirement, mistakes.take_warnings())),
        _ => Err(mistakes.into_sorted()),
    }
}

/// The keys that name a signer, of which an entry has one.
const WAYS: &str = "add one of `key`, `githubOwner`, `issuer`, `certificate`, `config`";

fn requirement(
    entry: &SignedByEntry,
    place: &Span,
    release: Release,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Result<Option<Requirement>, Diagnostic> {
    let ways = [&entry.key, &entry.github_owner, &entry.issuer, &entry.certificate, &entry.config];
    let mut named = ways.into_iter().flatten();
    let Some(first) = named.next() else {
        return Err(mistake(place, "the signer is missing").with_code(Code::MissingKey).with_help(WAYS.to_owned()));
    };
    if let Some(second) = named.next() {
        return Err(mistake(&second.span, "several signers in one entry")
            .with_code(Code::Contradiction)
            .with_help("write a list with an entry for each signer; all of them must have signed".to_owned()));
    }
    check_needed_keys(entry)?;
    if entry.config.is_some() {
        let path = files.resolve(first)?;
        let file = files.read_text(&path).map_err(|mistake| mistake.at(&first.span))?;
        let read = from_config(&file, release, files, mistakes);
        return Ok(read.map(|read| Requirement { accepts_bundles: entry.accept_bundles, ..read }));
    }
    let signer = Signer { by: signed_by(entry, files)?, annotations: entry.annotations.clone().map(|it| it.value) };
    Ok(Some(Requirement { accepts_bundles: entry.accept_bundles, ..Requirement::all_of(vec![signer]) }))
}

/// Keys that need another one.
fn check_needed_keys(entry: &SignedByEntry) -> Result<(), Diagnostic> {
    let span = |key: &Option<Spanned<String>>| key.as_ref().map(|key| key.span.clone());
    for (place, key, other, is_there) in [
        (span(&entry.github_repo), "githubRepo", "githubOwner", entry.github_owner.is_some()),
        (span(&entry.subject), "subject", "issuer", entry.issuer.is_some()),
        (span(&entry.subject_prefix), "subjectPrefix", "issuer", entry.issuer.is_some()),
        (span(&entry.certificate_chain), "certificateChain", "certificate", entry.certificate.is_some()),
        (
            entry.require_rekor_bundle.as_ref().map(|key| key.span.clone()),
            "requireRekorBundle",
            "certificate",
            entry.certificate.is_some(),
        ),
    ] {
        if let (Some(place), false) = (place, is_there) {
            return Err(mistake(&place, format!("`{key}` needs `{other}`")));
        }
    }
    match (&entry.annotations, &entry.config) {
        (Some(annotations), Some(_)) => {
            Err(mistake(&annotations.span, "`annotations` cannot be combined with `config`")
                .with_code(Code::Contradiction)
                .with_help("write the annotations into the configuration, to their signatures".to_owned()))
        }
        _ => Ok(()),
    }
}

fn signed_by(entry: &SignedByEntry, files: &Files) -> Result<SignedBy, Diagnostic> {
    if let Some(key) = &entry.key {
        return Ok(SignedBy::PublicKey { owner: None, key: checked_key(pem(key, files)?, files, &key.span)? });
    }
    if let Some(owner) = &entry.github_owner {
        let repo = entry.github_repo.as_ref().map(|repo| repo.value.clone());
        return Ok(SignedBy::GithubAction { owner: owner.value.clone(), repo });
    }
    if let Some(issuer) = &entry.issuer {
        let subject = match (&entry.subject, &entry.subject_prefix) {
            (Some(subject), None) => Subject::Equal(subject.value.clone()),
            (None, Some(prefix)) => url_prefix(prefix)?,
            _ => return Err(mistake(&issuer.span, "`issuer` needs either `subject` or `subjectPrefix`")),
        };
        return Ok(SignedBy::Issuer { issuer: issuer.value.clone(), subject });
    }
    let chain = entry.certificate_chain.as_ref().map(|chain| certificates(chain, files)).transpose()?;
    let certificate = match &entry.certificate {
        Some(certificate) => certificates(certificate, files)?.swap_remove(0),
        None => Vec::new(),
    };
    let require_rekor_bundle = entry.require_rekor_bundle.as_ref().is_some_and(|it| it.value);
    Ok(SignedBy::Certificate(Certificate { certificate, chain, require_rekor_bundle }))
}

/// A PEM document, or the file that holds it.
fn pem(written: &Spanned<String>, files: &Files) -> Result<String, Diagnostic> {
    if written.value.contains(PEM) {
        return Ok(written.value.clone());
    }
    let path = files.resolve(written)?;
    let file = files.read_text(&path).map_err(|mistake| mistake.at(&written.span))?;
    Ok(file.text.clone())
}

/// What a PEM document begins with.
const PEM: &str = "-----BEGIN ";

/// The certificates of a PEM document, at least one.
fn certificates(written: &Spanned<String>, files: &Files) -> Result<Vec<Vec<u8>>, Diagnostic> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = pem(written, files)?;
    let found: Vec<Vec<u8>> = text
        .split_inclusive(END)
        .filter_map(|part| Some(part.as_bytes()[part.find("-----BEGIN CERTIFICATE-----")?..].to_vec()))
        .filter(|certificate| certificate.ends_with(END.as_bytes()))
        .collect();
    if found.is_empty() { Err(mistake(&written.span, "invalid certificate: expected PEM")) } else { Ok(found) }
}

fn checked_key(pem: String, files: &Files, place: &Span) -> Result<String, Diagnostic> {
    files.checked_key(pem).map_err(|mistake| mistake.at(place))
}

fn url_prefix(written: &Spanned<String>) -> Result<Subject, Diagnostic> {
    Subject::url_prefix(&written.value).map_err(|_| {
        mistake(&written.span, format!("invalid URL `{}`", written.value))
            .with_help("write a URL with its scheme, such as `https://github.com/acme/`".to_owned())
    })
}

/// What a verification-config.yml requires; mistakes are those kwctl of this release finds as well.
fn from_config(
    file: &Arc<SourceFile>,
    release: Release,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Option<Requirement> {
    let root = yaml::parse(file).map_err(|mistake| mistakes.push(mistake)).ok()?;
    let written: VerificationFile = read::read(&root, mistakes)?;
    if written.api_version.value != "v1" {
        let message =
            format!("unsupported apiVersion {:?} of the configuration: expected \"v1\"", written.api_version.value);
        mistakes.add(&written.api_version.span, message);
    }
    let is_empty = |entries: Option<&Spanned<Vec<SignatureEntry>>>| entries.is_none_or(|it| it.value.is_empty());
    if is_empty(written.all_of.as_ref()) && is_empty(written.any_of.as_ref().map(|any_of| &any_of.signatures)) {
        mistakes.add(&root.span, "config is missing signatures in both allOf and anyOff list");
    } else {
        check_lists(&written, release, mistakes);
    }
    let mut signers = |entries: &[SignatureEntry]| -> Vec<Signer> {
        let signers = entries.iter().map(|entry| signer(entry, files).map_err(|mistake| mistakes.push(mistake)));
        signers.filter_map(Result::ok).collect()
    };
    let all_of = signers(written.all_of.as_ref().map(|it| it.value.as_slice()).unwrap_or_default());
    let any_of = written
        .any_of
        .as_ref()
        .map(|any_of| AnyOf { minimum_matches: any_of.minimum_matches(), signers: signers(&any_of.signatures.value) });
    Some(Requirement { all_of, any_of, accepts_bundles: false })
}

/// Lists that every image satisfies, or none. Kubewarden refuses them since 1.37.2; its texts are not known, so these are
/// ours. Before, they had this effect.
fn check_lists(written: &VerificationFile, release: Release, mistakes: &mut Mistakes) {
    const ALL: &str = "every image satisfies it";
    const NONE: &str = "no image satisfies it";
    let mut found = Vec::new();
    if let Some(all_of) = written.all_of.as_ref().filter(|it| it.value.is_empty()) {
        found.push((&all_of.span, "`allOf` is empty".to_owned(), ALL, "remove `allOf`, or add a signature"));
    }
    if let Some(any_of) = &written.any_of {
        let (wanted, there) = (any_of.minimum_matches(), any_of.signatures.value.len());
        let place = any_of.minimum_matches.as_ref().map_or(&any_of.signatures.span, |it| &it.span);
        if wanted == 0 {
            found.push((place, "`minimumMatches` is 0".to_owned(), ALL, "write 1 or more"));
        }
        if there == 0 {
            let effect = if wanted == 0 { ALL } else { NONE };
            let help = "remove `anyOf`, or add a signature";
            found.push((&any_of.signatures.span, "`anyOf.signatures` is empty".to_owned(), effect, help));
        } else if usize::from(wanted) > there {
            let message = format!("`minimumMatches` is {wanted}, and there are {there} signatures");
            found.push((place, message, NONE, "write a smaller number, or add signatures"));
        }
    }
    for (place, message, effect, help) in found {
        if release.has_strict_verification_config() {
            mistakes.add_with_help(place, message, help);
        } else {
            mistakes.warn(mistake(place, format!("{message}: {effect}")).with_help(help.to_owned()));
        }
    }
}

impl AnyOfEntry {
    /// How many entries must be met.
    fn minimum_matches(&self) -> u8 {
        self.minimum_matches.as_ref().map_or(1, |it| it.value)
    }
}

fn signer(entry: &SignatureEntry, files: &Files) -> Result<Signer, Diagnostic> {
    use SignatureKind::{GenericIssuer, GithubAction, PubKey};
    let kind = entry.kind.value;
    for (key, name, kinds) in [
        (&entry.owner, "owner", &[PubKey, GithubAction][..]),
        (&entry.repo, "repo", &[GithubAction]),
        (&entry.key, "key", &[PubKey]),
        (&entry.issuer, "issuer", &[GenericIssuer]),
    ] {
        if let Some(key) = key.as_ref().filter(|_| !kinds.contains(&kind)) {
            return Err(mistake(&key.span, format!("`{name}` cannot be combined with this `kind`")));
        }
    }
    let missing =
        |name: &str| mistake(&entry.kind.span, format!("the key `{name}` is missing")).with_code(Code::MissingKey);
    let by = match kind {
        PubKey => {
            let key = entry.key.as_ref().ok_or_else(|| missing("key"))?;
            let owner = entry.owner.as_ref().map(|owner| owner.value.clone());
            SignedBy::PublicKey { owner, key: checked_key(key.value.clone(), files, &key.span)? }
        }
        GithubAction => SignedBy::GithubAction {
            owner: entry.owner.as_ref().ok_or_else(|| missing("owner"))?.value.clone(),
            repo: entry.repo.as_ref().map(|repo| repo.value.clone()),
        },
        GenericIssuer => SignedBy::Issuer {
            issuer: entry.issuer.as_ref().ok_or_else(|| missing("issuer"))?.value.clone(),
            subject: subject(entry.subject.as_ref().ok_or_else(|| missing("subject"))?)?,
        },
    };
    match &entry.subject {
        Some(subject) if kind != GenericIssuer => {
            Err(mistake(&subject.span, "`subject` cannot be combined with this `kind`"))
        }
        _ => Ok(Signer { by, annotations: entry.annotations.clone() }),
    }
}

fn subject(written: &Spanned<SubjectEntry>) -> Result<Subject, Diagnostic> {
    match (&written.value.equal, &written.value.url_prefix) {
        (Some(equal), None) => Ok(Subject::Equal(equal.clone())),
        (None, Some(prefix)) => url_prefix(prefix),
        _ => Err(mistake(&written.span, "a subject needs either `equal` or `urlPrefix`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/signatures");

    fn check_key(pem: &str) -> Result<(), String> {
        if pem.contains("-----BEGIN PUBLIC KEY") { Ok(()) } else { Err("not a key".into()) }
    }

    /// What an entry is read into, and the mistakes as `line:column message`.
    fn entry(text: &str) -> (Vec<Requirement>, Vec<String>) {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
        let mut mistakes = Mistakes::default();
        let node = yaml::parse(&file).unwrap();
        let entry = read::read::<Spanned<SignedByEntry>>(&node, &mut mistakes);
        let files = Files::of_suite(&Path::new(FOLDER).join("README.md"), None, check_key).unwrap();
        let read = entry.map(|entry| required(&[entry], Release::default(), &files, &mut mistakes)).unwrap_or_default();
        (read, shown(mistakes))
    }

    fn config(text: &str) -> (Option<Requirement>, Vec<String>) {
        let file = Arc::new(SourceFile { path: "verification-config.yml".into(), text: text.into() });
        let mut mistakes = Mistakes::default();
        let files = Files::of_suite(&Path::new(FOLDER).join("README.md"), None, check_key).unwrap();
        (from_config(&file, Release::default(), &files, &mut mistakes), shown(mistakes))
    }

    /// The mistakes and the warnings of a release about a configuration.
    fn checked(text: &str, release: &str) -> (Vec<String>, Vec<String>) {
        let file = Arc::new(SourceFile { path: "verification-config.yml".into(), text: text.into() });
        let mut mistakes = Mistakes::default();
        let files = Files::of_suite(&Path::new(FOLDER).join("README.md"), None, check_key).unwrap();
        from_config(&file, release.parse().unwrap(), &files, &mut mistakes);
        let warnings = mistakes.take_warnings().into_iter().map(line).collect();
        (shown(mistakes), warnings)
    }

    fn shown(mistakes: Mistakes) -> Vec<String> {
        mistakes.into_sorted().into_iter().map(line).collect()
    }

    fn line(it: Diagnostic) -> String {
        format!("{}:{} {}", it.span.as_ref().unwrap().line, it.span.as_ref().unwrap().column, it.message)
    }

    fn one(by: SignedBy) -> Vec<Requirement> {
        vec![Requirement::all_of(vec![Signer { by, annotations: None }])]
    }

    #[test]
    fn every_kind_of_signer_is_read() {
        let key = std::fs::read_to_string(format!("{FOLDER}/keys/owner.pub")).unwrap();
        let by_key = one(SignedBy::PublicKey { owner: None, key: key.clone() });
        assert_eq!(entry("key: keys/owner.pub"), (by_key.clone(), vec![]));
        let inline = format!("key: |\n  {}", key.trim().replace('\n', "\n  "));
        assert_eq!(entry(&format!("{inline}\n")), (by_key, vec![]));
        let by = SignedBy::GithubAction { owner: "acme".into(), repo: Some("policies".into()) };
        assert_eq!(entry("githubOwner: acme\ngithubRepo: policies"), (one(by), vec![]));
        let issuer = || "https://accounts.acme.test".to_owned();
        let by = SignedBy::Issuer { issuer: issuer(), subject: Subject::Equal("dev@acme.test".into()) };
        assert_eq!(entry("issuer: https://accounts.acme.test\nsubject: dev@acme.test"), (one(by), vec![]));
        let subject = Subject::UrlPrefix("https://github.com/acme/".into());
        let by = SignedBy::Issuer { issuer: issuer(), subject };
        let text = "issuer: https://accounts.acme.test\nsubjectPrefix: https://github.com/acme";
        assert_eq!(entry(text), (one(by), vec![]));
        let text = "certificate: certificates/signer.pem\ncertificateChain: certificates/chain.pem\n\
                    requireRekorBundle: true\nannotations: { env: prod }\nacceptBundles: true";
        let (read, mistakes) = entry(text);
        assert_eq!(mistakes, Vec::<String>::new());
        let SignedBy::Certificate(certificate) = &read[0].all_of[0].by else { panic!("{read:?}") };
        assert_eq!(certificate.chain.as_ref().map(Vec::len), Some(2));
        assert!(certificate.require_rekor_bundle && read[0].accepts_bundles);
        assert_eq!(read[0].all_of[0].annotations.as_ref().unwrap()["env"], "prod");
    }

    #[test]
    fn mistakes_are_found_where_they_are_written() {
        for (text, mistake) in [
            ("annotations: { env: prod }", "1:1 the signer is missing"),
            ("githubOwner: acme\nkey: keys/owner.pub", "1:14 several signers in one entry"),
            ("key: keys/owner.pub\nsubject: x", "2:10 `subject` needs `issuer`"),
            ("key: keys/owner.pub\nrequireRekorBundle: true", "2:21 `requireRekorBundle` needs `certificate`"),
            ("issuer: https://a.test", "1:9 `issuer` needs either `subject` or `subjectPrefix`"),
            ("issuer: a\nsubjectPrefix: github.com", "2:16 invalid URL `github.com`"),
            ("key: keys/owner.pu", "1:6 file not found: `keys/owner.pu`"),
            ("key: certificates/signer.pem", "1:6 not a key"),
            ("certificate: keys/owner.pub", "1:14 invalid certificate: expected PEM"),
            ("key: ../../Cargo.toml", "1:6 not a key"),
            ("key: ../../../secret", "1:6 `../../../secret` is outside the repository"),
            ("githubOwners: acme", "1:1 unknown key `githubOwners`"),
        ] {
            let (_, mistakes) = entry(text);
            assert!(mistakes.iter().any(|it| it.starts_with(mistake)), "{mistake:?} is not among {mistakes:?}");
        }
    }

    #[test]
    fn a_configuration_of_kwctl_is_read() {
        let (read, mistakes) = config(
            "apiVersion: v1\nallOf:\n  - kind: githubAction\n    owner: acme\n    repo: policies\n    annotations: {env: \
             prod}\nanyOf:\n  minimumMatches: 2\n  signatures:\n    - kind: genericIssuer\n      issuer: \
             https://a.test\n      subject:\n        urlPrefix: https://github.com/acme\n    - kind: genericIssuer\n      \
             issuer: https://a.test\n      subject: { equal: dev@acme.test }\n",
        );
        assert_eq!(mistakes, Vec::<String>::new());
        let read = read.unwrap();
        assert_eq!(read.all_of.len(), 1);
        let any_of = read.any_of.unwrap();
        assert_eq!((any_of.minimum_matches, any_of.signers.len()), (2, 2));
        let SignedBy::Issuer { subject, .. } = &any_of.signers[0].by else { panic!() };
        assert_eq!(*subject, Subject::UrlPrefix("https://github.com/acme/".into()));
    }

    #[test]
    fn mistakes_of_a_configuration_are_those_of_kwctl() {
        for (text, mistake) in [
            ("apiVersion: v1", "config is missing signatures in both allOf and anyOff list"),
            ("apiVersion: v1\nallOf: []", "config is missing signatures in both allOf and anyOff list"),
            (
                "apiVersion: v2\nallOf: [{kind: githubAction, owner: a}]",
                "unsupported apiVersion \"v2\" of the configuration",
            ),
            ("allOf: [{kind: githubAction, owner: a}]", "the key `apiVersion` is missing"),
            ("apiVersion: v1\nallOf: [{kind: githubAction}]", "the key `owner` is missing"),
            ("apiVersion: v1\nallOf: [{kind: github, owner: a}]", "unknown value `github`"),
            (
                "apiVersion: v1\nallOf: [{kind: githubAction, owner: a, key: b}]",
                "`key` cannot be combined with this `kind`",
            ),
            ("apiVersion: v1\nallOf: [{kind: genericIssuer, issuer: a}]", "the key `subject` is missing"),
            (
                "apiVersion: v1\nallOf: [{kind: genericIssuer, issuer: a, subject: {equal: b, urlPrefix: c}}]",
                "a subject needs either `equal` or `urlPrefix`",
            ),
            ("apiVersion: v1\nallOff: []", "unknown key `allOff`"),
            ("apiVersion: v1\nallOf: [{kind: pubKey, key: nonsense}]", "not a key"),
        ] {
            let (_, mistakes) = config(text);
            assert!(mistakes.iter().any(|it| it.contains(mistake)), "{mistake:?} is not among {mistakes:?}");
        }
    }

    /// Four mistakes since 1.37.2; before, two accepted every image and two none.
    #[test]
    fn lists_without_an_effect_are_mistakes_since_1_37_2() {
        let signer = "{ kind: githubAction, owner: acme }";
        let many_signers = format!("[{}]", [signer; 3].join(", "));
        let any_of = |minimum: &str, signers: &str| {
            format!("apiVersion: v1\nallOf: [{signer}]\nanyOf:{minimum}\n  signatures: {signers}\n")
        };
        let one = format!("[{signer}]");
        let rows = [
            (
                format!("apiVersion: v1\nallOf: []\nanyOf: {{ signatures: {one} }}\n"),
                "2:8 `allOf` is empty",
                "every image satisfies it",
            ),
            (any_of("\n  minimumMatches: 0", &one), "4:19 `minimumMatches` is 0", "every image satisfies it"),
            (any_of("", "[]"), "4:15 `anyOf.signatures` is empty", "no image satisfies it"),
            (
                any_of("\n  minimumMatches: 4", &many_signers),
                "4:19 `minimumMatches` is 4, and there are 3 signatures",
                "no image satisfies it",
            ),
        ];
        for (text, message, effect) in &rows {
            for release in ["1.37.2", "1.38"] {
                assert_eq!(checked(text, release), (vec![(*message).to_owned()], vec![]), "{release}: {text}");
            }
            for release in ["1.36", "1.37.1"] {
                let warning = format!("{message}: {effect}");
                assert_eq!(checked(text, release), (vec![], vec![warning]), "{release}: {text}");
            }
        }
        for text in [any_of("\n  minimumMatches: 3", &many_signers), any_of("", &one)] {
            assert_eq!(checked(&text, "1.38"), (vec![], vec![]), "{text}");
        }
        let neither = "apiVersion: v1\nallOf: []\n";
        let message = "1:1 config is missing signatures in both allOf and anyOff list";
        for release in ["1.36", "1.38"] {
            assert_eq!(checked(neither, release), (vec![message.to_owned()], vec![]), "the text of kwctl");
        }
    }

    #[test]
    fn a_configuration_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verification-config.yml");
        let missing = verification_config(&path, Release::default(), check_key).unwrap_err();
        assert!(missing[0].message.starts_with("cannot read `"), "{missing:?}");
        std::fs::write(&path, "apiVersion: v1\nallOf: [{kind: githubAction, owner: kubewarden}]\n").unwrap();
        let by = SignedBy::GithubAction { owner: "kubewarden".into(), repo: None };
        assert_eq!(verification_config(&path, Release::default(), check_key).unwrap(), (one(by).remove(0), vec![]));
        std::fs::write(&path, "apiVersion: [").unwrap();
        assert!(verification_config(&path, Release::default(), check_key).is_err());
    }
}
