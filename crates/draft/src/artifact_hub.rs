//! The file with which a policy is listed on Artifact Hub, made of its metadata: the bytes are those of `kwctl scaffold
//! artifacthub`. What kwctl takes for invalid is invalid here, told all at once.
//!
//! Source: policy-evaluator, `policy_artifacthub.rs`, and kwctl, `scaffold/artifacthub.rs`, both of Kubewarden 1.36; and what
//! the repositories of Kubewarden's policies keep in their branches `artifacthub`.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use email_address::EmailAddress;
use mail_parser::MessageParser;
use policy_verify_model::policy::Metadata;
use policy_verify_model::reference;
use policy_verify_model::yaml::emit::Node;
use semver::Version;
use url::{Url, form_urlencoded};

/// What stands above the document.
const HEADER: &str = "# Kubewarden Artifacthub Package config
#
# Use this config to submit the policy to https://artifacthub.io.
#
# This config can be saved to its default location with:
#   kwctl scaffold artifacthub > artifacthub-pkg.yml \n";

/// The package that every policy recommends.
const RECOMMENDED: &str = "https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller";

/// The annotation with the version of a policy.
pub const VERSION: &str = "io.kubewarden.policy.version";
const TITLE: &str = "io.kubewarden.policy.title";
const DISPLAY_NAME: &str = "io.artifacthub.displayName";
const DESCRIPTION: &str = "io.kubewarden.policy.description";
const LICENSE: &str = "io.kubewarden.policy.license";
const HOME: &str = "io.kubewarden.policy.url";
const OCI: &str = "io.kubewarden.policy.ociUrl";
const KEYWORDS: &str = "io.artifacthub.keywords";
const SOURCE: &str = "io.kubewarden.policy.source";
const RELEASE_TAG: &str = "com.github.release.tag";
const AUTHOR: &str = "io.kubewarden.policy.author";
const RESOURCES: &str = "io.artifacthub.resources";
const HIDDEN: &str = "io.kubewarden.hidden-ui";

/// What is wrong with the metadata of a package, or with the form of its settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageProblem {
    /// There is no annotation at all.
    #[error("the metadata has no annotations")]
    NoAnnotations,
    /// A package cannot be without this annotation.
    #[error("the annotation `{0}` is missing")]
    Missing(&'static str),
    /// The text of an annotation does not fit.
    #[error("invalid annotation `{annotation}`: {reason}")]
    Invalid {
        /// Which one.
        annotation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of the form is there and has nothing.
    #[error("the form of the settings is empty")]
    EmptyForm,
}

impl PackageProblem {
    /// The annotation at fault, if there is one.
    pub fn annotation(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { annotation, .. } => Some(annotation),
            Self::NoAnnotations | Self::Missing(_) | Self::EmptyForm => None,
        }
    }
}

/// The text of `artifacthub-pkg.yml`. `questions` is the text of `questions-ui.yml`, `created_at` a time as in RFC 3339.
///
/// # Errors
///
/// Everything that is wrong.
pub fn package(metadata: &Metadata, questions: Option<&str>, created_at: &str) -> Result<String, Vec<PackageProblem>> {
    let annotations = metadata.annotations.as_ref().filter(|it| !it.is_empty());
    let annotations = annotations.ok_or_else(|| vec![PackageProblem::NoAnnotations])?;
    let mut writer = Writer { annotations, document: Node::Map(indexmap::IndexMap::new()), problems: Vec::new() };
    if questions.is_some_and(str::is_empty) {
        writer.problems.push(PackageProblem::EmptyForm);
    }
    let version = writer.version();
    writer.write("version", version.as_ref().map(|version| Node::text(version.to_string())));
    writer.copy("name", TITLE);
    writer.copy("displayName", DISPLAY_NAME);
    writer.write("createdAt", Some(Node::text(created_at)));
    writer.copy("description", DESCRIPTION);
    writer.copy_if_there("license", LICENSE);
    let home = writer.get(HOME).and_then(|home| writer.url(HOME, home));
    writer.write("homeURL", home.map(|home| Node::text(home.as_str())));
    let image = version.as_ref().and_then(|version| writer.image(version));
    let images = |image| Node::List(vec![Node::map([("name", Node::text("policy")), ("image", Node::text(image))])]);
    writer.write("containersImages", image.as_deref().map(images));
    let keywords = writer.keywords();
    writer.write("keywords", keywords);
    let links = version.as_ref().and_then(|version| writer.links(version));
    writer.write("links", links);
    writer.write("install", image.as_deref().map(install));
    let maintainers = writer.maintainers();
    writer.write("maintainers", maintainers);
    writer.write("provider", Some(Node::map([("name", Node::text("kubewarden"))])));
    writer.write("recommendations", Some(Node::List(vec![Node::map([("url", Node::text(RECOMMENDED))])])));
    let annotations = writer.of_kubewarden(metadata, questions);
    writer.write("annotations", Some(annotations));
    match writer.problems {
        problems if problems.is_empty() => Ok(format!("{HEADER}{}", writer.document.to_yaml())),
        problems => Err(problems),
    }
}

/// The document so far, and what is wrong so far.
struct Writer<'a> {
    annotations: &'a BTreeMap<String, String>,
    document: Node,
    problems: Vec<PackageProblem>,
}

impl<'a> Writer<'a> {
    fn get(&self, annotation: &str) -> Option<&'a str> {
        self.annotations.get(annotation).map(String::as_str)
    }

    fn required(&mut self, annotation: &'static str) -> Option<&'a str> {
        let text = self.get(annotation);
        if text.is_none() {
            self.problems.push(PackageProblem::Missing(annotation));
        }
        text
    }

    fn write(&mut self, key: &str, value: Option<Node>) {
        if let Some(value) = value {
            self.document.push(key, value);
        }
    }

    fn copy(&mut self, key: &str, annotation: &'static str) {
        let text = self.required(annotation);
        self.write(key, text.map(Node::text));
    }

    fn copy_if_there(&mut self, key: &str, annotation: &str) {
        self.write(key, self.get(annotation).map(Node::text));
    }

    /// The value, or a problem that is noted.
    fn valid<T, E: ToString>(&mut self, annotation: &'static str, value: Result<T, E>) -> Option<T> {
        let note = |error: E| PackageProblem::Invalid { annotation, reason: error.to_string() };
        value.map_err(|error| self.problems.push(note(error))).ok()
    }

    fn version(&mut self) -> Option<Version> {
        let version = self.required(VERSION)?;
        self.valid(VERSION, Version::parse(version))
    }

    fn url(&mut self, annotation: &'static str, text: &str) -> Option<Url> {
        self.valid(annotation, Url::parse(text))
    }

    /// The reference of the policy: it is published by its version.
    fn image(&mut self, version: &Version) -> Option<String> {
        let repository = self.required(OCI)?;
        let image = match repository.contains("://") {
            true => Err("it names a repository without a scheme, such as ghcr.io/acme/policies/labels".to_owned()),
            false => reference::parse(&format!("{repository}:v{version}")).map_err(|error| error.message),
        };
        Some(self.valid(OCI, image)?.to_string())
    }

    fn keywords(&mut self) -> Option<Node> {
        let words: Vec<&str> = self.get(KEYWORDS)?.split(',').map(|word| word.trim_matches(' ')).collect();
        let words = if words.contains(&"") { Err("a keyword is empty") } else { Ok(words) };
        Some(Node::List(self.valid(KEYWORDS, words)?.into_iter().map(Node::text).collect()))
    }

    /// Where the source is; and the module of the release, if it is on GitHub.
    fn links(&mut self, version: &Version) -> Option<Node> {
        let source = self.get(SOURCE)?;
        let source = self.url(SOURCE, source)?;
        let link = |name: &str, url: &Url| Node::map([("name", Node::text(name)), ("url", Node::text(url.as_str()))]);
        let mut links = Vec::new();
        if source.host_str() == Some("github.com") {
            let tag = match self.get(RELEASE_TAG) {
                Some(tag) => form_urlencoded::byte_serialize(tag.as_bytes()).collect(),
                None => format!("v{version}"),
            };
            let module = self.url(SOURCE, &format!("{source}/releases/download/{tag}/policy.wasm"))?;
            links.push(link("policy", &module));
        }
        links.push(link("source", &source));
        Some(Node::List(links))
    }

    /// Names and addresses, written as in the header of a letter.
    fn maintainers(&mut self) -> Option<Node> {
        let author = self.get(AUTHOR)?;
        let letter = format!("To: {author}");
        let message = MessageParser::default().parse(letter.as_bytes());
        let addresses = message.as_ref().and_then(|message| message.to());
        let addresses = addresses.ok_or("no mail address in it; write `Name <name@example.com>`");
        let mut maintainers = Vec::new();
        for address in self.valid(AUTHOR, addresses)?.iter() {
            let mail = address.address.as_deref().unwrap_or_default();
            let mail = EmailAddress::from_str(mail).map_err(|error| format!("invalid mail address `{mail}`: {error}"));
            let name = Node::text(address.name.as_deref().unwrap_or_default());
            maintainers.push(Node::map([("name", name), ("email", Node::text(self.valid(AUTHOR, mail)?.to_string()))]));
        }
        Some(Node::List(maintainers))
    }

    /// What Kubewarden's pages on Artifact Hub show, sorted by key.
    fn of_kubewarden(&self, metadata: &Metadata, questions: Option<&str>) -> Node {
        let yaml = |document: serde_json::Result<Node>| document.map(|node| node.to_yaml()).unwrap_or_default();
        let resources = &metadata.context_aware_resources;
        let texts = [
            ("contextAwareResources", (!resources.is_empty()).then(|| yaml(Node::of(resources)))),
            ("hidden-ui", self.get(HIDDEN).map(str::to_owned)),
            ("mutation", Some(metadata.mutating.to_string())),
            ("questions-ui", questions.map(str::to_owned)),
            ("resources", self.get(RESOURCES).map(str::to_owned)),
            ("rules", Some(yaml(Node::of(&metadata.rules)))),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((format!("kubewarden/{key}"), Node::Text(text?))));
        Node::Map(texts.collect())
    }
}

fn install(image: &str) -> Node {
    Node::text(format!(
        "The policy can be obtained using [kwctl](https://docs.kubewarden.io/howtos/install-kwctl):
```console
kwctl pull {image}
```
Then, generate the policy manifest and tune it to your liking. For example:
```console
kwctl scaffold manifest -t ClusterAdmissionPolicy registry://{image}
```
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(annotations: &[(&str, &str)]) -> Metadata {
        let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
        let document = serde_json::json!({ "rules": [], "mutating": false, "annotations": annotations });
        serde_json::from_value(document).unwrap()
    }

    const LEAST: [(&str, &str); 5] = [
        (VERSION, "0.2.1"),
        (TITLE, "labels"),
        (DISPLAY_NAME, "Labels"),
        (DESCRIPTION, "Looks at labels"),
        (OCI, "ghcr.io/acme/policies/labels"),
    ];

    fn with(annotation: &'static str, value: &str) -> Result<String, Vec<PackageProblem>> {
        let mut all = LEAST.to_vec();
        all.retain(|(name, _)| *name != annotation);
        all.push((annotation, value));
        package(&metadata(&all), None, "2026-01-01T00:00:00Z")
    }

    #[test]
    fn missing_annotations_are_told_at_once() {
        assert_eq!(package(&metadata(&[]), None, ""), Err(vec![PackageProblem::NoAnnotations]));
        let missing = [VERSION, TITLE, DISPLAY_NAME, DESCRIPTION].map(PackageProblem::Missing);
        let problems = package(&metadata(&[(OCI, "x")]), Some(""), "").unwrap_err();
        assert_eq!(problems, [&[PackageProblem::EmptyForm][..], &missing].concat());
    }

    #[test]
    fn annotations_that_kwctl_refuses_are_refused() {
        for (annotation, value, reason) in [
            (VERSION, "1.0", "unexpected end of input while parsing minor version number"),
            (HOME, "@&*foo", "relative URL without a base"),
            (SOURCE, "@&*foo", "relative URL without a base"),
            (OCI, "registry://ghcr.io/acme/labels", "it names a repository without a scheme"),
            (OCI, "ghcr.io/acme/labels:latest", "invalid reference `ghcr.io/acme/labels:latest:v0.2.1`"),
            (KEYWORDS, "", "a keyword is empty"),
            (KEYWORDS, "foo,,bar", "a keyword is empty"),
            (AUTHOR, "", "no mail address in it"),
            (AUTHOR, "Foo missing@chevrons.com, Bar <bar@example.com>", "invalid mail address"),
            (AUTHOR, "Bar <#$%#$%>", "invalid mail address"),
            (AUTHOR, "tux@example.com", "no mail address in it"),
        ] {
            let problems = with(annotation, value).unwrap_err();
            let [PackageProblem::Invalid { annotation: found, reason: said }] = problems.as_slice() else {
                panic!("{annotation} {value}: {problems:?}")
            };
            assert!(*found == annotation && said.contains(reason), "{annotation} {value}: {said}");
        }
    }

    #[test]
    fn maintainers_are_those_of_a_letter() {
        for (author, wanted) in [
            ("Tux <tux@example.com>, Foo <foo@example.com>", "- name: Tux\n  email: tux@example.com\n- name: Foo\n"),
            ("Tux <tux@example.com>,,Foo <foo@example.com>", "- name: Tux\n  email: tux@example.com\n- name: Foo\n"),
            ("\"Tux, the\" <tux@example.com>", "- name: Tux, the\n"),
        ] {
            let text = with(AUTHOR, author).unwrap_or_else(|problems| panic!("{author}: {problems:?}"));
            assert!(text.contains(&format!("maintainers:\n{wanted}")), "{author}: {text}");
        }
    }

    #[test]
    fn sources_on_github_have_a_module() {
        let text = with(SOURCE, "https://github.com/acme/labels").unwrap();
        let module = "url: https://github.com/acme/labels/releases/download/v0.2.1/policy.wasm\n";
        assert!(text.contains(&format!("links:\n- name: policy\n  {module}- name: source\n")), "{text}");
        let text = with(SOURCE, "https://example.com/labels").unwrap();
        assert!(text.contains("links:\n- name: source\n  url: https://example.com/labels\ninstall: |\n"), "{text}");
        let annotations = [&LEAST[..], &[(SOURCE, "https://github.com/acme/p"), (RELEASE_TAG, "labels/v1")]].concat();
        let text = package(&metadata(&annotations), None, "").unwrap();
        assert!(text.contains("/releases/download/labels%2Fv1/policy.wasm\n"), "{text}");
    }
}
