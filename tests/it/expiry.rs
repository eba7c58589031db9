//! Bearer tokens that end while they are needed, at real registries: a new one is asked for, and never without end.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::fetching::{accepting, suite};
use crate::support::Repository;
use crate::support::distribution::{Distribution, Setup, forwarded, registries};
use crate::support::registry::FakeRegistry;
use crate::support::token_service::TokenService;

/// A registry that wants tokens, and a door in front of it that looks at who comes and goes.
struct Guarded {
    door: FakeRegistry,
    service: TokenService,
    _registry: Distribution,
    passed: Arc<Mutex<Vec<(String, u16)>>>,
    held: Arc<Mutex<Option<Held>>>,
}

/// The next request of this method, with this in its path, is held until the token has ended.
struct Held {
    method: &'static str,
    part: &'static str,
    /// Whether it is the answer that is late, rather than the request.
    is_answer: bool,
}

impl Guarded {
    fn start(program: &Path) -> Self {
        let service = TokenService::start();
        let registry = Distribution::configured(program, &Setup { more: &service.setup(), ..Setup::default() });
        let guarded = Self {
            door: FakeRegistry::start(),
            passed: Arc::default(),
            held: Arc::default(),
            service,
            _registry: registry,
        };
        let (passed, held) = (Arc::clone(&guarded.passed), Arc::clone(&guarded.held));
        let (host, wait) = (guarded._registry.host.clone(), guarded.service.end_of_token());
        guarded.door.rule(move |seen| {
            let is_known = seen.headers.contains_key("authorization");
            let is_held = |it: &mut Held| is_known && seen.is(it.method, it.part);
            let held = held.lock().unwrap().take_if(is_held);
            if held.as_ref().is_some_and(|held| !held.is_answer) {
                wait();
            }
            let reply = forwarded(&host, seen);
            if held.is_some_and(|held| held.is_answer) {
                wait();
            }
            let path = seen.path.split('?').next().unwrap();
            let part = ["manifests", "uploads", "blobs"].into_iter().find(|part| path.contains(part)).unwrap_or("");
            passed.lock().unwrap().push((format!("{} {part}", seen.method), reply.status));
            reply.into()
        });
        guarded
    }

    /// A repository that knows the registry, with a small module and a suite about what is pushed.
    fn repository(&self) -> Repository {
        let uri = format!("registry://{}/acme/p:v1", self.door.host());
        let docker = json!({ "auths": { self.door.host(): { "username": "me", "password": "hunter2-secret" } } });
        Repository::with_suite(&suite(&[("p", &uri)]))
            .write("p.wasm", accepting("p"))
            .write(".git/home/.config/kubewarden/sources.yaml", self.sources())
            .write(".git/home/.docker/config.json", docker.to_string())
    }

    fn sources(&self) -> String {
        format!("insecure_sources: ['{}', '{}']\n", self.door.host(), self.service.fake.host())
    }

    fn push(&self, code: i32) -> crate::support::Finished {
        let to = format!("{}/acme/p:v1", self.door.host());
        let run = self.repository().verify(&["push", "--force", "p.wasm", &to]).run().exits_with(code);
        run.never_says("hunter2-secret")
    }

    fn pull(&self, code: i32) -> crate::support::Finished {
        self.repository().verify(&["-vv"]).run().exits_with(code).never_says("hunter2-secret")
    }

    fn hold(&self, method: &'static str, part: &'static str, is_answer: bool) {
        *self.held.lock().unwrap() = Some(Held { method, part, is_answer });
    }

    /// What passed the door since the last time, and how many tokens were asked for so far.
    fn passed(&self) -> Vec<(String, u16)> {
        assert!(self.held.lock().unwrap().is_none(), "nobody was held");
        std::mem::take(&mut *self.passed.lock().unwrap()).into_iter().filter(|(line, _)| line.len() > 4).collect()
    }

    /// How many tokens a command asks for.
    fn tokens(&self, command: impl FnOnce() -> crate::support::Finished) -> usize {
        let before = self.service.asked();
        command();
        self.service.asked() - before
    }
}

fn lines(passed: &[(String, u16)]) -> Vec<(&str, u16)> {
    passed.iter().map(|(line, status)| (line.as_str(), *status)).collect()
}

#[test]
fn a_token_that_ends_on_the_way_is_followed_by_another() {
    for program in registries() {
        let guarded = Guarded::start(&program);
        guarded.push(0);
        guarded.passed();
        // The service promises an hour; the registry is of another opinion.
        guarded.service.tokens_live(3600, 2);
        guarded.hold("GET", "/blobs/", false);
        assert_eq!(guarded.tokens(|| guarded.pull(0)), 2);
        let expected = [("GET manifests", 401), ("GET manifests", 200), ("GET blobs", 401), ("GET blobs", 200)];
        assert_eq!(lines(&guarded.passed()), expected);

        for part in [("PATCH", "/uploads/"), ("PUT", "/manifests/sha256"), ("PUT", "/manifests/v2")] {
            guarded.hold(part.0, part.1, false);
            let (name, module) = (format!("acme/{}", part.0.to_lowercase()), accepting(part.1));
            let to = format!("{}/{name}:v2", guarded.door.host());
            let repository = guarded.repository().write("p.wasm", module);
            repository.verify(&["push", "--force", "p.wasm", &to]).run().exits_with(0);
            let passed = guarded.passed();
            let refused: Vec<usize> =
                passed.iter().enumerate().filter(|(_, (_, status))| *status == 401).map(|(index, _)| index).collect();
            // To look up the tag, when the token to push had ended, and perhaps when the one to look up had.
            assert!((2..=3).contains(&refused.len()), "{passed:?}");
            let (line, next) = (&passed[refused[1]].0, &passed[refused[1] + 1]);
            assert!(line.starts_with(part.0) && *line == next.0 && (200..300).contains(&next.1), "{passed:?}");
            repository.verify(&["pull", &to, "-o", "pulled.wasm"]).run().exits_with(0);
            assert_eq!(std::fs::read(repository.path("pulled.wasm")).unwrap(), accepting(part.1));
            guarded.passed();
        }
    }
}

#[test]
fn a_token_that_is_known_to_end_is_not_even_tried() {
    for program in registries() {
        let guarded = Guarded::start(&program);
        guarded.push(0);
        guarded.passed();
        guarded.service.tokens_live(2, 2);
        guarded.hold("GET", "/manifests/", true);
        assert_eq!(guarded.tokens(|| guarded.pull(0)), 2);
        let expected = [("GET manifests", 401), ("GET manifests", 200), ("GET blobs", 200)];
        assert_eq!(lines(&guarded.passed()), expected);
    }
}

#[test]
fn tokens_that_are_dead_when_they_come_are_an_error_and_no_loop() {
    for program in registries() {
        let guarded = Guarded::start(&program);
        guarded.push(0);
        guarded.passed();
        guarded.service.tokens_live(3600, -10);
        let says = ["rejects the token of its token service", "clocks"];
        let asked = guarded.tokens(|| guarded.pull(3).says(&says));
        assert_eq!(asked, 1);
        assert_eq!(lines(&guarded.passed()), [("GET manifests", 401), ("GET manifests", 401)]);
        // Two to look up the tag and the manifest, and two to push.
        let asked = guarded.tokens(|| guarded.push(5).says(&says));
        assert!(asked <= 4, "{asked}");
    }
}
