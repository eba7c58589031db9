//! `matchConditions` of a manifest: CEL over a request, evaluated as the API server does it.
//!
//! The variables are `object`, `oldObject` and `request`. `authorizer` and the functions that Kubernetes adds to CEL cannot be
//! evaluated outside of a cluster: an expression that needs them has no result, which is an error and never a guess.
//! Source: `matchconditions/matcher.go` and `cel/condition.go` of k8s.io/apiserver.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use ::cel::common::ast::{Expr, operators};
use ::cel::objects::Key;
use ::cel::{Context, Env, ExecutionError, IdedExpr, Value, extensions};
use serde_json::Value as Json;

use crate::cel::{self, ParseError};
use policy_verify_model::request::AdmissionRequest;

/// Most steps of an evaluation, as far as they can be foreseen.
const MOST_STEPS: u64 = 10_000_000;

/// The variables of a condition.
const VARIABLES: [&str; 4] = ["object", "oldObject", "request", "authorizer"];

/// Names of types, which CEL has as values.
const TYPES: [&str; 10] = ["bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string", "uint"];

/// Why a condition has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The expression fails in the API server too.
    #[error("{0}")]
    Evaluation(String),
    /// The expression needs something that there is only in a cluster, or too much time.
    #[error("{0}")]
    Unsupported(String),
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Syntax(text) => Self::Evaluation(text),
            limit @ ParseError::Limit(_) => Self::Unsupported(limit.to_string()),
        }
    }
}

/// Checks an expression as the controller does when a manifest is applied, as far as it is known here. What cannot be
/// checked here is no rejection: see [`Failure::Unsupported`].
pub(crate) fn check(expression: &str) -> Result<(), Failure> {
    let parsed = cel::parse(expression.trim())?;
    match undeclared(&parsed.expr, &mut Vec::new()) {
        Some(name) => Err(Failure::Evaluation(format!("undeclared reference to '{name}'"))),
        None => Ok(()),
    }
}

/// The variables of the conditions of one request.
pub struct Variables {
    object: Value,
    old_object: Value,
    request: Value,
    /// Items of the longest list or mapping.
    longest: u64,
    /// Bytes of all texts.
    bytes: u64,
}

impl Variables {
    /// The variables of a request.
    pub fn of(request: &AdmissionRequest) -> Self {
        let mut members = serde_json::to_value(request).expect("an admission request holds nothing that JSON cannot");
        let (longest, bytes) = (longest(&members), bytes(&members));
        let mut take =
            |name: &str| members.as_object_mut().and_then(|members| members.remove(name)).unwrap_or(Json::Null);
        let (object, old_object) = (to_value(&take("object")), to_value(&take("oldObject")));
        Self { object, old_object, request: to_value(&members), longest, bytes }
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    ///
    /// It has no result, for the API server or for this evaluation.
    pub fn evaluate(&self, expression: &str) -> Result<bool, Failure> {
        let parsed = cel::parse(expression.trim())?;
        if mentions(&parsed.expr, "authorizer") {
            return Err(Failure::Unsupported("`authorizer` needs a cluster".to_owned()));
        }
        self.check_cost(&parsed.expr)?;
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
            for (name, value) in [("object", &self.object), ("oldObject", &self.old_object), ("request", &self.request)]
            {
                context.add_variable_from_value(name, value.clone());
            }
            result(&parsed, &context)
        }));
        evaluated.unwrap_or_else(|_| Err(Failure::Unsupported("the evaluation panicked".to_owned())))
    }

    /// Refuses what could take too long: loops within loops over what the request holds, and texts that grow in them.
    fn check_cost(&self, expression: &Expr) -> Result<(), Failure> {
        let nodes = count(expression, &|_| true);
        let growing = count(
            expression,
            &|it| matches!(it, Expr::Call(call) if call.func_name == operators::ADD || call.target.is_some()),
        );
        let longest = self.longest.max(nodes);
        let loops = loops(expression);
        let rounds = longest.saturating_pow(u32::try_from(loops).unwrap_or(u32::MAX));
        let texts = if growing == 0 { 0 } else { self.bytes.saturating_mul(growing) / 64 };
        if nodes.saturating_add(texts).saturating_mul(rounds) <= MOST_STEPS {
            return Ok(());
        }
        Err(Failure::Unsupported(format!("{loops} nested loops over up to {longest} items take too long")))
    }
}

/// The standard functions, and those on texts, which Kubernetes has too.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    environment.add_extension(extensions::strings).expect("the standard functions have other names");
    Arc::new(environment)
});

fn result(expression: &IdedExpr, context: &Context<'_, '_>) -> Result<bool, Failure> {
    match Value::resolve(expression, context) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(_) => Err(Failure::Evaluation("must evaluate to bool".to_owned())),
        Err(ExecutionError::UndeclaredReference(name)) => {
            Err(Failure::Unsupported(format!("the function `{name}` of Kubernetes is not supported")))
        }
        Err(ExecutionError::NoSuchKey(key)) => Err(Failure::Evaluation(format!("no such key: {key}"))),
        Err(error) => Err(Failure::Evaluation(error.to_string())),
    }
}

/// A value of the request. Numbers without a fraction are `int`, as in the API server.
fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(to_value).collect())),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| (Key::from(key.clone()), to_value(value)));
            Value::from(members.collect::<HashMap<Key, Value>>())
        }
    }
}

/// The first name that is neither a variable nor a type; `bound` are the variables of the macros around the expression.
fn undeclared<'a>(expression: &'a Expr, bound: &mut Vec<&'a str>) -> Option<&'a str> {
    match expression {
        Expr::Ident(name) => {
            let name = name.as_str();
            let is_known = VARIABLES.contains(&name) || TYPES.contains(&name) || bound.contains(&name);
            // Accumulators of macros begin with a sign that no name can have.
            (!is_known && name.starts_with(|first: char| first.is_ascii_alphabetic())).then_some(name)
        }
        Expr::Comprehension(it) => {
            if let Some(name) = undeclared(&it.iter_range.expr, bound) {
                return Some(name);
            }
            let before = bound.len();
            bound.extend([it.iter_var.as_str(), it.accu_var.as_str()].into_iter().chain(it.iter_var2.as_deref()));
            let parts = [&it.accu_init, &it.loop_cond, &it.loop_step, &it.result];
            let found = parts.into_iter().find_map(|part| undeclared(&part.expr, bound));
            bound.truncate(before);
            found
        }
        // `foo.bar()` may be the name of a function, such as `math.greatest`.
        Expr::Call(call) if call.target.as_ref().is_some_and(|it| matches!(&it.expr, Expr::Ident(name) if !VARIABLES.contains(&name.as_str()) && !bound.contains(&name.as_str()))) => {
            call.args.iter().find_map(|argument| undeclared(&argument.expr, bound))
        }
        other => cel::parts(other).into_iter().find_map(|part| undeclared(part, bound)),
    }
}

fn mentions(expression: &Expr, wanted: &str) -> bool {
    matches!(expression, Expr::Ident(name) if name == wanted)
        || cel::parts(expression).into_iter().any(|part| mentions(part, wanted))
}

fn count(expression: &Expr, is_wanted: &dyn Fn(&Expr) -> bool) -> u64 {
    let parts = cel::parts(expression).into_iter().map(|part| count(part, is_wanted)).sum::<u64>();
    parts + u64::from(is_wanted(expression))
}

/// How deep loops are nested.
fn loops(expression: &Expr) -> usize {
    let inner = cel::parts(expression).into_iter().map(loops).max().unwrap_or(0);
    inner + usize::from(matches!(expression, Expr::Comprehension(_)))
}

/// The number of items of the longest list, mapping or text.
fn longest(json: &Json) -> u64 {
    let (own, inner) = match json {
        Json::Array(items) => (items.len(), items.iter().map(longest).max()),
        Json::Object(members) => (members.len(), members.values().map(longest).max()),
        _ => (0, None),
    };
    inner.unwrap_or(0).max(own as u64)
}

fn bytes(json: &Json) -> u64 {
    match json {
        Json::String(text) => text.len() as u64,
        Json::Array(items) => items.iter().map(bytes).sum(),
        Json::Object(members) => members.iter().map(|(key, value)| key.len() as u64 + bytes(value)).sum(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> AdmissionRequest {
        serde_json::from_value(json!({
            "uid": "u", "operation": "CREATE", "namespace": "shop", "name": "web",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "userInfo": {"username": "alice", "groups": ["system:authenticated", "team-a"]},
            "object": {
                "metadata": {"labels": {"env": "lab"}},
                "spec": {"replicas": 3, "ratio": 1.5, "containers": [{"image": "ghcr.io/a:1"}, {"image": "docker.io/b"}]},
            },
        }))
        .unwrap()
    }

    fn evaluate(expression: &str, request: &AdmissionRequest) -> Result<bool, Failure> {
        Variables::of(request).evaluate(expression)
    }

    #[test]
    fn conditions_are_evaluated_over_the_request() {
        for (expression, wanted) in [
            ("true", true),
            ("request.userInfo.username == 'alice'", true),
            ("!('system:nodes' in request.userInfo.groups)", true),
            ("request.operation in ['UPDATE', 'DELETE']", false),
            ("request.resource.group == '' && request.resource.resource == 'pods'", true),
            ("object.metadata.labels.env != 'production'", true),
            ("has(object.metadata.labels.team)", false),
            ("oldObject == null", true),
            ("object.spec.replicas > 2 && object.spec.replicas + 1 == 4", true),
            ("object.spec.ratio < 2.0", true),
            ("object.spec.containers.all(c, c.image.startsWith('ghcr.io/'))", false),
            ("object.spec.containers.exists(c, c.image.matches('^docker'))", true),
            ("object.spec.containers.map(c, c.image).size() == 2", true),
            ("object.metadata.labels.team == 'a' || true", true),
            ("'Alice'.lowerAscii() == request.userInfo.username", true),
            ("has(request.object)", false),
            ("  true\\n", true),
        ] {
            assert_eq!(evaluate(&expression.replace("\\n", "\n"), &request()), Ok(wanted), "{expression}");
        }
    }

    #[test]
    fn errors_are_told_from_what_is_not_supported() {
        let failure = |expression: &str| evaluate(expression, &request()).unwrap_err();
        assert_eq!(failure("object.metadata.labels.team == 'a'"), Failure::Evaluation("no such key: team".into()));
        assert_eq!(failure("1"), Failure::Evaluation("must evaluate to bool".into()));
        assert!(matches!(failure("object.spec.replicas == 'a' + 1"), Failure::Evaluation(_)));
        for expression in [
            "authorizer.group('').resource('pods').check('create').allowed()",
            "isURL('a')",
            "quantity('1').isGreaterThan(quantity('2'))",
        ] {
            assert!(matches!(failure(expression), Failure::Unsupported(_)), "{expression}: {:?}", failure(expression));
        }
    }

    #[test]
    fn nested_loops_over_much_are_refused() {
        let mut request = request();
        request.object = Some(json!({ "items": vec![0; 10_000] }));
        assert_eq!(evaluate("object.items.all(i, i == 0)", &request), Ok(true));
        let nested = evaluate("object.items.all(i, object.items.all(j, i == j))", &request).unwrap_err();
        assert_eq!(nested, Failure::Unsupported("2 nested loops over up to 10000 items take too long".into()));
    }

    #[test]
    fn unknown_names_and_syntax_errors_are_found_early() {
        for expression in [
            "true",
            "object.x",
            "type(object) == map",
            "[1].all(x, x == 1)",
            "authorizer.path('/').check('get').allowed()",
        ] {
            assert_eq!(check(expression), Ok(()), "{expression}");
        }
        let undeclared = |name: &str| Err(Failure::Evaluation(format!("undeclared reference to '{name}'")));
        assert_eq!(check("objct.x == 1"), undeclared("objct"));
        assert_eq!(check("namespaceObject.x == 1"), undeclared("namespaceObject"));
        assert_eq!(check("[1].all(x, y == 1)"), undeclared("y"));
        assert!(matches!(check(&vec!["true"; 200].join(" && ")), Err(Failure::Unsupported(_))));
        assert!(check("a ==").is_err() && check("(").is_err());
    }
}
