//! Whole files of recorded requests.

use serde_json::json;

use super::*;
use crate::imported::Fate;
use crate::tree;

fn request(name: &str, username: &str) -> Value {
    json!({
        "uid": format!("uid of {name}"), "operation": "CREATE", "namespace": "shop", "name": name,
        "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "resource": { "group": "", "version": "v1", "resource": "pods" },
        "userInfo": { "username": username, "groups": ["admins", "system:authenticated"], "extra": { "ip": ["10.1.2.3"] } },
        "object": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "shop" } },
    })
}

fn review(request: &Value, response: &Value) -> Value {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request, "response": response })
}

fn imported(text: &str, options: &Options) -> (Reviews, Value) {
    let reviews = import([("log", text)], options);
    let yaml = reviews.imported.draft.to_yaml();
    let suite = tree::documents("s.yml", &yaml).unwrap_or_else(|error| panic!("{yaml}\n{error:?}"));
    (reviews, suite[0].json())
}

#[test]
fn requests_are_cases_and_files() {
    let (web, db) = (request("web", "alice"), request("db", "alice"));
    let denied = json!({ "uid": "x", "allowed": false, "status": { "message": "no owner for alice" } });
    let lines =
        [review(&web, &Value::Null), web.clone(), review(&db, &denied), review(&web, &json!({ "allowed": true }))];
    let text = lines.iter().map(|it| format!("{it}\n")).collect::<String>();
    let (reviews, suite) = imported(&text, &Options::default());
    let wanted = json!([
        { "name": "CREATE Pod shop/web", "request": "fixtures/create-pod-web.json", "expect": "accept" },
        { "name": "CREATE Pod shop/db", "request": "fixtures/create-pod-db.json", "expect": { "deny": "no owner for user-1" } },
        { "name": "CREATE Pod shop/web (2)", "request": "fixtures/create-pod-web.json", "expect": "allow" },
    ]);
    assert_eq!(suite["cases"], wanted);
    let rows = &reviews.imported.tests;
    assert_eq!(rows.iter().map(|row| (row.line, row.weak.len())).collect::<Vec<_>>(), [(1, 1), (2, 0), (3, 0), (4, 0)]);
    assert_eq!(rows[1].cases, ["CREATE Pod shop/web"], "the same request is the same case");
    assert!(rows.iter().all(|row| row.fate == Fate::Whole));
    assert_eq!(reviews.imported.files.len(), 2);
}

#[test]
fn a_request_that_is_not_complete_is_its_parts() {
    let text = "request:\n  operation: CREATE\n  object: { apiVersion: v1, kind: Pod, metadata: { name: web } }\n";
    let (_, suite) = imported(text, &Options::default());
    let wanted = json!([{ "name": "CREATE Pod web", "object": "fixtures/create-pod-web.json", "expect": "accept" }]);
    assert_eq!(suite["cases"], wanted);
}

#[test]
fn lists_and_audit_events_are_looked_into() {
    let event = |verb: &str| {
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": verb, "user": { "username": "bob" },
            "objectRef": { "resource": "pods", "namespace": "shop", "name": "web" },
            "requestObject": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" } },
        })
    };
    let list = json!({ "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [event("create"), event("get"), event("get")] });
    let text = json!([list, { "kind": "Pod" }, 1]).to_string();
    let (reviews, suite) = imported(&text, &Options::default());
    assert_eq!(suite["cases"][0]["request"], "fixtures/create-pod-web.json");
    let not: Vec<&str> = reviews.imported.tests[1..].iter().map(|row| row.name.as_str()).collect();
    assert_eq!(not, ["2 times get pods", "a document of kind Pod", "a document"]);
    let yaml = reviews.imported.draft.to_yaml();
    assert!(yaml.contains("# log:1 2 times get pods: not translated: reads are not sent to webhooks"), "{yaml}");
}

#[test]
fn names_of_cases_have_no_blanks_too_many() {
    let mut review = request("", "alice");
    for key in ["name", "namespace"] {
        review[key] = "".into();
        review["object"]["metadata"][key] = "".into();
    }
    review["kind"]["kind"] = "TokenReview".into();
    let mut exec = review.clone();
    (exec["operation"], exec["subResource"]) = ("CONNECT".into(), "exec".into());
    let (_, suite) = imported(&format!("{review}\n{exec}\n"), &Options::default());
    let names: Vec<&Value> = [0, 1].map(|it| &suite["cases"][it]["name"]).into();
    assert_eq!(names, [&json!("CREATE TokenReview"), &json!("CONNECT TokenReview (pods/exec)")]);
}

/// An object with everything personal in it.
fn personal() -> Value {
    let mut request = request("web", "alice");
    request["object"] = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "web", "uid": "11111111-2222", "managedFields": [{}],
            "labels": { "made-by": "alice", "team": "alice-team" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{\"x\":1}", "mail": "alice@acme.test" },
            "ownerReferences": [{ "uid": "11111111-2222" }],
        },
        "data": { "a": "aHVudGVyMg==" }, "stringData": { "b": "hunter2" },
        "spec": { "containers": [{ "env": [{ "name": "A", "value": "hunter3" }], "args": ["--token=hunter4444"] }] },
        "subjects": [{ "kind": "User", "name": "alice" }, { "kind": "Group", "name": "system:masters" }],
        "token": "hunter5", "sourceIPs": ["10.9.9.9"],
    });
    request
}

#[test]
fn personal_data_is_replaced_by_the_same_placeholder_everywhere() {
    let (reviews, _) = imported(&personal().to_string(), &Options::default());
    let written = &reviews.imported.files[0].text;
    for gone in
        ["alice\"", "alice@", "hunter", "aHVudGVy", "1111", "10.1.2.3", "10.9.9.9", "admins", "managedFields", "{\\\"x"]
    {
        assert!(!written.contains(gone), "{gone}: {written}");
    }
    let written: Value = serde_json::from_str(written).unwrap();
    let metadata = &written["object"]["metadata"];
    assert_eq!(
        (&metadata["labels"]["made-by"], &written["userInfo"]["username"]),
        (&json!("user-1"), &json!("user-1"))
    );
    assert_eq!(metadata["labels"]["team"], "alice-team", "only whole texts are known to be names");
    assert_eq!(metadata["uid"], metadata["ownerReferences"][0]["uid"]);
    assert_eq!(written["object"]["subjects"][0]["name"], "user-1");
    assert_eq!(written["object"]["subjects"][1]["name"], "system:masters");
    assert_eq!(written["userInfo"]["groups"], json!(["group-1", "system:authenticated"]));
    assert_eq!(written["object"]["data"]["a"], "c2VjcmV0LTE=");
    let kinds: Vec<Kind> = reviews.replaced.keys().copied().collect();
    let all = [
        Kind::User,
        Kind::Group,
        Kind::Extra,
        Kind::Uid,
        Kind::Email,
        Kind::Address,
        Kind::Secret,
        Kind::Variable,
        Kind::Token,
        Kind::ManagedFields,
        Kind::LastApplied,
    ];
    assert_eq!(kinds, all);
    assert_eq!((reviews.replaced[&Kind::User], reviews.replaced[&Kind::Uid]), (3, 2));
    let comment = reviews.imported.draft.comments.join("\n");
    assert!(comment.contains("3 user names, 1 group,") && comment.contains("1 list of field managers"), "{comment}");
}

#[test]
fn no_part_of_an_object_keeps_its_secrets() {
    for (object, gone) in [
        (
            json!({ "status": { "podIP": "10.1.2.3", "podIPs": [{ "ip": "fd00:1::a" }] } }),
            vec!["10.1.2.3", "fd00:1::a"],
        ),
        (json!({ "spec": { "hostAliases": [{ "ip": "10.1.2.3" }], "url": "see http://10.1.2.4/1" } }), vec!["10.1.2"]),
        (json!({ "spec": { "command": ["sh", "-c", "export AWS_SECRET_ACCESS_KEY=hunter2aws"] } }), vec!["hunter"]),
        (
            json!({ "spec": { "args": ["--token", "hunter2-arg2", "-pHunter2short", "--password=x9"] } }),
            vec!["unter", "x9"],
        ),
        (json!({ "spec": { "containers": [{ "image": "mysql:8", "args": ["-phunter"] }] } }), vec!["hunter"]),
        (json!({ "spec": { "Authorization": "Basic hunter2hdr" } }), vec!["hunter"]),
        (json!({ "spec": { "httpHeaders": [{ "name": "Authorization", "value": "Bearer hunter" }] } }), vec!["hunter"]),
        (json!({ "spec": { "httpHeaders": [{ "name": "X-Api-Key", "value": "hunter" }] } }), vec!["hunter"]),
        (json!({ "metadata": { "annotations": { "acme.test/deploy-token": "hunter" } } }), vec!["hunter"]),
        (json!({ "metadata": { "labels": { "db-password": "hunter" } } }), vec!["hunter"]),
        (json!({ "spec": { "dbPassword": "hunter", "clientSecret": { "value": "hunter3" } } }), vec!["hunter"]),
        (json!({ "spec": { "apiKeys": ["hunter", { "inner": ["hunter"] }] } }), vec!["hunter"]),
        (json!({ "spec": { "env": { "ANY": "hunter" } } }), vec!["hunter"]),
        (json!({ "kind": "ConfigMap", "binaryData": { "a": "aHVudGVyMg==" } }), vec!["aHVu"]),
        (json!({ "kind": "ConfigMap", "data": { "app.ini": "db.password = hunter" } }), vec!["hunter"]),
        (json!({ "spec": { "image": "https://bob:hunter@host" } }), vec!["bob", "hunter"]),
        (json!({ "spec": { "image": "10.1.2.3:5000/web:1.2.3.4" } }), vec!["10.1.2.3"]),
        (json!({ "spec": { "appVersion": "10.1.2.3 password=hunter" } }), vec!["10.1.2.3", "hunter"]),
        (
            json!({ "metadata": { "annotations": { "acme.test/applied": "{\"env\":[{\"name\":\"A\",\"value\":\"hunter\"}]}" } } }),
            vec!["hunter"],
        ),
        (json!({ "kind": "ConfigMap", "data": { "a.json": "[{\"dbPassword\":\"hun ter\"}]" } }), vec!["hun"]),
        (json!({ "spec": { "url": "https://bob:hunter@host.acme.test/" } }), vec!["bob", "hunter"]),
        (
            json!({ "kind": "CertificateSigningRequest", "spec": { "request": "aHVu", "username": "bob" }, "status": { "certificate": "hunter" } }),
            vec!["aHVu", "bob", "hunter"],
        ),
    ] {
        let mut request = request("web", "alice");
        request["object"] = object.clone();
        request["options"] = json!({ "kind": "CreateOptions", "fieldManager": "bobs-tool" });
        let (reviews, _) = imported(&request.to_string(), &Options::default());
        let written = &reviews.imported.files[0].text;
        for gone in gone.iter().chain([&"bobs"]) {
            assert!(!written.contains(gone), "{gone}: {written}");
        }
        let (again, _) = imported(&format!("{request}\n{request}\n"), &Options::default());
        assert_eq!((again.imported.files.len(), &again.imported.files[0].text), (1, written), "{object}");
    }
}

#[test]
fn references_and_versions_stay() {
    for object in [
        json!({ "spec": { "volumes": [{ "secret": { "secretName": "web", "items": [{ "key": "a", "path": "b" }] } }] } }),
        json!({ "spec": { "passwordSecret": { "name": "web", "key": "password" } } }),
        json!({ "spec": { "imagePullSecrets": [{ "name": "web" }] } }),
        json!({ "spec": { "sources": [{ "serviceAccountToken": { "path": "token", "audience": "vault" } }] } }),
        json!({ "spec": { "image": "nginx:1.2.3.4", "args": ["--token", "$(TOKEN)"] } }),
        json!({ "spec": { "privateKey": { "rotationPolicy": "Always" }, "cidr": "10.0.0.0/8" } }),
        json!({ "metadata": { "labels": { "app.kubernetes.io/version": "1.2.3.4" } } }),
        json!({ "spec": { "tolerations": [{ "key": "dedicated", "value": "web" }] } }),
    ] {
        let mut request = request("web", "alice");
        request["object"] = object.clone();
        let (reviews, _) = imported(&request.to_string(), &Options::default());
        let written: Value = serde_json::from_str(&reviews.imported.files[0].text).unwrap();
        assert_eq!(written["object"], object);
    }
}

#[test]
fn patches_of_responses_have_no_personal_data_either() {
    use base64::Engine as _;
    let patch = json!([
        { "op": "add", "path": "/data/x", "value": "aHVudGVyMg==" },
        { "op": "add", "path": "/spec/containers/0/env/-", "value": { "name": "B", "value": "hunter6" } },
        { "op": "replace", "path": "/spec/containers/0/env/0/value", "value": "hunter3" },
        { "op": "add", "path": "/metadata/labels/by", "value": "alice" },
    ]);
    let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
    let text = review(&personal(), &json!({ "allowed": true, "patch": patch })).to_string();
    let (reviews, suite) = imported(&text, &Options::default());
    let yaml = reviews.imported.draft.to_yaml();
    assert!(!yaml.contains("hunter") && !yaml.contains("aHVudGVy") && !yaml.contains("alice"), "{yaml}");
    let patch = &suite["cases"][0]["expect"]["mutate"]["patch"];
    assert_eq!(
        (&patch[0]["value"], &patch[2]["value"], &patch[3]["value"]),
        (&json!("c2VjcmV0LTE="), &json!("value-1"), &json!("user-1"))
    );
}

#[test]
fn a_response_too_long_to_be_searched_is_left_out() {
    let mut request = personal();
    let env: Vec<Value> = (0..4_000).map(|it| json!({ "name": "A", "value": format!("value {it}") })).collect();
    request["object"]["spec"]["containers"][0]["env"] = env.into();
    let warnings = vec!["x".repeat(300); 1_000];
    let (reviews, suite) =
        imported(&review(&request, &json!({ "allowed": true, "warnings": warnings })).to_string(), &Options::default());
    assert_eq!(suite["cases"][0]["expect"], "accept");
    assert!(matches!(&reviews.imported.tests[0].fate, Fate::Partly(lost) if lost[0].contains("too long")));
}

#[test]
fn without_the_option_only_the_uid_of_the_request_changes() {
    let options = Options { replaces_personal_data: false, ..Options::default() };
    let (reviews, _) = imported(&personal().to_string(), &options);
    let written: Value = serde_json::from_str(&reviews.imported.files[0].text).unwrap();
    let mut wanted = personal();
    wanted["uid"] = "705ab4f5-6393-11e8-b7cc-42010a800002".into();
    assert_eq!((written, reviews.replaced.len()), (wanted, 0));
}

#[test]
fn cases_are_bounded_and_the_rest_is_told() {
    let text = (0..5).map(|it| format!("{}\n", request(&format!("web{it}"), "alice"))).collect::<String>();
    let (reviews, suite) = imported(&text, &Options { most_cases: 2, ..Options::default() });
    assert_eq!(suite["cases"].as_array().unwrap().len(), 2);
    let last = reviews.imported.tests.last().unwrap();
    assert!(
        last.name == "3 times a request" && matches!(&last.fate, Fate::Not(why) if why[0].contains("2 cases")),
        "{last:?}"
    );
}

#[test]
fn hostile_documents_are_rows_and_nothing_else() {
    let deep = "[".repeat(100_000);
    let nested = format!("{}{}{}", "[".repeat(100), json!({ "kind": "List" }), "]".repeat(100));
    let odd = json!([{ "request": {} }, { "request": 1 }, { "kind": {}, "operation": "CREATE" }, { "items": 1 }, null])
        .to_string();
    for (text, rows) in
        [("", 1), (deep.as_str(), 1), (nested.as_str(), 1), (odd.as_str(), 5), ("{}\n{\n", 2), ("a: [", 1)]
    {
        let reviews = import([("log", text)], &Options::default());
        let count: usize = reviews.imported.tests.len();
        assert!(
            reviews.imported.tests.iter().all(|row| matches!(row.fate, Fate::Not(_))),
            "{:?}",
            reviews.imported.tests
        );
        assert!(count >= 1 && count <= rows && reviews.imported.files.is_empty(), "{:?}", reviews.imported.tests);
    }
}
