//! Where credentials come from, and which repository gets which: docker's and podman's files, namespaced keys, helpers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fetching::accepting;
use crate::support::Repository;
use crate::support::registry::{FakeRegistry, Reply};

const HOME: &str = ".git/home";

/// An entry of `auths`.
fn login(user: &str) -> Value {
    json!({ "auth": STANDARD.encode(format!("{user}:secret-of-{user}")) })
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:secret-of-{user}")))
}

/// A registry with these repositories, which lets in whoever has a login.
fn registry(repositories: &[&str]) -> FakeRegistry {
    let fake = FakeRegistry::start();
    for repository in repositories {
        fake.add_policy(repository, "v1", &accepting(repository));
    }
    fake.fails(|seen| {
        let is_known = seen.headers.contains_key("authorization");
        (!is_known).then(|| Reply::new(401, "").header("www-authenticate", "Basic realm=\"fake\"").into())
    });
    fake
}

/// The user whose password a pull of this repository sends; none without a login.
fn user_of(fake: &FakeRegistry, repository: &Repository, name: &str, variables: &[(&str, String)]) -> Option<String> {
    fake.take_seen();
    let uri = format!("{}/{name}:v1", fake.host());
    let verify = repository.verify(&["pull", &uri, "-o", "pulled.wasm", "--sources-path", "sources.yaml"]);
    let run = variables.iter().fold(verify, |verify, (name, value)| verify.env(name, value)).run();
    let run = run.never_says("secret-of-");
    let shown: Vec<String> =
        fake.take_seen().into_iter().filter_map(|seen| seen.headers.get("authorization").cloned()).collect();
    let Some(first) = shown.first() else {
        run.exits_with(3).says(&["requires credentials, none are configured"]);
        return None;
    };
    assert!(shown.iter().all(|it| it == first), "{shown:?}");
    run.exits_with(0);
    let decoded = STANDARD.decode(first.trim_start_matches("Basic ")).unwrap();
    String::from_utf8(decoded).unwrap().split_once(':').map(|(user, _)| user.to_owned())
}

#[test]
fn a_password_goes_to_the_longest_path_that_matches() {
    let fake = registry(&["alpha/p", "beta/p", "gamma/p", "alphabet/p", "beta/deep/p"]);
    let host = fake.host();
    let repository = Repository::new().write("sources.yaml", fake.sources());
    let check = |keys: &[&str], expected: &[(&str, Option<&str>)]| {
        let auths: serde_json::Map<String, Value> =
            keys.iter().map(|key| (key.replace("HOST", &host), login(&key.replace(['/', ':'], "-")))).collect();
        std::fs::create_dir_all(repository.path(&format!("{HOME}/.docker"))).unwrap();
        let path = repository.path(&format!("{HOME}/.docker/config.json"));
        std::fs::write(path, json!({ "auths": auths }).to_string()).unwrap();
        for (name, user) in expected {
            let user = user.map(|user| user.replace(['/', ':'], "-"));
            assert_eq!(user_of(&fake, &repository, name, &[]), user, "{keys:?} {name}");
        }
    };
    let two = ["HOST/alpha", "HOST/beta"];
    check(&two, &[("alpha/p", Some(two[0])), ("beta/p", Some(two[1])), ("gamma/p", None), ("alphabet/p", None)]);
    let nested = ["HOST", "HOST/beta", "HOST/beta/deep"];
    check(&nested, &[("alpha/p", Some(nested[0])), ("beta/p", Some(nested[1])), ("beta/deep/p", Some(nested[2]))]);
    check(
        &["https://HOST/v2/", "HOST/alpha/p"],
        &[("gamma/p", Some("https://HOST/v2/")), ("alpha/p", Some("HOST/alpha/p"))],
    );
}

#[test]
fn files_are_those_of_podman_then_that_of_docker() {
    let fake = registry(&["acme/p"]);
    let file = |key: &str, user: &str| json!({ "auths": { key: login(user) } }).to_string();
    let host = fake.host();
    let repository = Repository::new()
        .write("sources.yaml", fake.sources())
        .write("named.json", file(&host, "named"))
        .write("docker/config.json", file(&host, "docker-config"))
        .write("run/containers/auth.json", file(&host, "runtime"))
        .write(&format!("{HOME}/.config/containers/auth.json"), file(&host, "config"))
        .write(&format!("{HOME}/.docker/config.json"), file(&host, "home"));
    let set = |name: &'static str, path: &str| (name, repository.path(path).display().to_string());
    let all = [
        set("REGISTRY_AUTH_FILE", "named.json"),
        set("DOCKER_CONFIG", "docker"),
        set("XDG_RUNTIME_DIR", "run"),
        set("XDG_CONFIG_HOME", &format!("{HOME}/.config")),
    ];
    let user = |variables: &[(&'static str, String)]| user_of(&fake, &repository, "acme/p", variables);
    assert_eq!(user(&all).as_deref(), Some("named"));
    assert_eq!(user(&all[1..]).as_deref(), Some("docker-config"));
    assert_eq!(user(&all[2..]).as_deref(), Some("runtime"));
    assert_eq!(user(&all[3..]).as_deref(), Some("config"));
    assert_eq!(user(&[]).as_deref(), Some("config"), "the default of XDG_CONFIG_HOME");
    assert_eq!(user(&[("REGISTRY_AUTH_FILE", String::new())]).as_deref(), Some("config"), "empty is not set");
    // A more specific key of a later file comes before.
    let specific = file(&format!("{host}/acme"), "specific");
    std::fs::write(repository.path(&format!("{HOME}/.docker/config.json")), specific).unwrap();
    assert_eq!(user(&all[2..]).as_deref(), Some("specific"));
    std::fs::remove_file(repository.path(&format!("{HOME}/.docker/config.json"))).unwrap();
    std::fs::remove_file(repository.path(&format!("{HOME}/.config/containers/auth.json"))).unwrap();
    assert_eq!(user(&[]), None);
    // A file that is named has to be there; the flag comes before the variable.
    let gone = set("REGISTRY_AUTH_FILE", "gone.json").1;
    let pull = ["pull", &format!("{host}/acme/p:v1"), "-o", "x.wasm", "--sources-path", "sources.yaml"];
    let run = repository.verify(&pull).env("REGISTRY_AUTH_FILE", &gone).run().exits_with(3);
    run.says(&["gone.json (named by REGISTRY_AUTH_FILE)", "unset REGISTRY_AUTH_FILE"]);
    let flag = ["--docker-config-json-path", "docker"];
    repository.verify(&[&pull[..], &flag].concat()).env("REGISTRY_AUTH_FILE", &gone).run().exits_with(0);
}

#[test]
fn empty_settings_are_no_settings() {
    let fake = registry(&["acme/p"]);
    let host = fake.host();
    for text in [
        String::new(),
        "\n".into(),
        "null".into(),
        r#"{"auths":null,"credHelpers":null,"credsStore":null}"#.into(),
        format!(r#"{{"auths":{{"{host}":null}}}}"#),
        format!(r#"{{"auths":{{"{host}":{{"auth":null}}}}}}"#),
        format!(r#"{{"auths":{{"{host}":{{}}}},"credsStore":""}}"#),
    ] {
        let repository = Repository::new().write("sources.yaml", fake.sources());
        let repository = repository.write(&format!("{HOME}/.docker/config.json"), &text);
        assert_eq!(user_of(&fake, &repository, "acme/p", &[]), None, "{text}");
    }
}

#[cfg(unix)]
#[test]
fn helpers_are_asked_for_the_longest_key() {
    use std::os::unix::fs::PermissionsExt as _;

    let fake = registry(&["alpha/p", "beta/p", "gamma/p"]);
    let host = fake.host();
    let config = json!({
        "auths": { format!("{host}/beta"): login("beta") },
        "credHelpers": { format!("{host}/alpha"): "alpha", &host: "all" },
    });
    let mut repository = Repository::new()
        .write("sources.yaml", fake.sources())
        .write(&format!("{HOME}/.docker/config.json"), config.to_string());
    for name in ["alpha", "all"] {
        // Knows the host, and writes down what it is asked.
        let script = format!(
            "#!/bin/sh\nread -r server\necho \"$server\" >> {}\n[ \"$server\" = {host} ] || {{ echo 'credentials not \
             found in native keychain'; exit 1; }}\necho '{{\"Username\":\"{name}\",\"Secret\":\"secret-of-{name}\"}}'\n",
            repository.path(&format!("{name}.asked")).display()
        );
        let path = format!("bin/docker-credential-{name}");
        repository = repository.write(&path, script);
        std::fs::set_permissions(repository.path(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", repository.path("bin").display(), std::env::var("PATH").unwrap());
    let user = |name: &str| user_of(&fake, &repository, name, &[("PATH", path.clone())]);
    assert_eq!(user("alpha/p").as_deref(), Some("alpha"));
    assert_eq!(repository.read("alpha.asked"), format!("{host}/alpha\n{host}\n"));
    assert_eq!(user("beta/p").as_deref(), Some("beta"), "its own login, not the helper of the host");
    assert_eq!(user("gamma/p").as_deref(), Some("all"));
    assert_eq!(repository.read("all.asked"), format!("{host}\n"));
}

#[test]
fn a_push_logs_in_to_each_repository_as_its_own_user() {
    let fake = FakeRegistry::start();
    let host = fake.host();
    let users = [("alpha", basic("alpha")), ("beta", basic("beta"))];
    fake.fails(move |seen| {
        let wanted = users.iter().find(|(name, _)| seen.path.contains(&format!("/v2/{name}/")));
        let is_known = wanted.is_some_and(|(_, wanted)| seen.header("authorization") == Some(wanted));
        (!is_known).then(|| Reply::new(401, "").header("www-authenticate", "Basic realm=\"fake\"").into())
    });
    let config = json!({ "auths": { format!("{host}/alpha"): login("alpha"), format!("{host}/beta"): login("beta") } });
    let repository = Repository::new()
        .write("sources.yaml", fake.sources())
        .write("p.wasm", accepting("p"))
        .write("docker/config.json", config.to_string());
    let push = |name: &str, code: i32| {
        let to = format!("{host}/{name}/p:v1");
        let flags = ["--sources-path", "sources.yaml", "--docker-config-json-path", "docker"];
        repository.verify(&[&["push", "--force", "p.wasm", &to], &flags[..]].concat()).run().exits_with(code)
    };
    push("alpha", 0);
    push("beta", 0);
    push("gamma", 5).says(&["requires credentials, none are configured"]);
    let gamma: Vec<_> = fake.seen().into_iter().filter(|seen| seen.path.contains("/gamma/")).collect();
    assert!(!gamma.is_empty() && gamma.iter().all(|seen| !seen.headers.contains_key("authorization")));
}
