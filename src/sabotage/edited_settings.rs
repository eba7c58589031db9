//! A policy that gets other settings than the case has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy_verify_engine::{Context, GuestOutput, Instance, Policy};
use policy_verify_model::answer::{Answer, Fault, FaultKind, SettingsVerdict};
use policy_verify_model::policy::Settings;
use policy_verify_model::request::Request;
use serde_json::Value;

/// A change of settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SettingsEdit {
    /// The path of the setting.
    pub(crate) steps: Vec<String>,
    /// Its other value; without one it is taken away.
    pub(crate) value: Option<Value>,
}

impl SettingsEdit {
    /// The settings after the change. Settings that do not have it stay as they are.
    fn applied(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        let Some((last, above)) = self.steps.split_last() else { return settings };
        let inner = above.iter().try_fold(&mut settings, |members, step| members.get_mut(step)?.as_object_mut());
        match (inner, &self.value) {
            (Some(members), Some(value)) if members.contains_key(last) => {
                members.insert(last.clone(), value.clone());
            }
            (Some(members), None) => drop(members.remove(last)),
            _ => {}
        }
        settings
    }
}

/// A policy whose settings are changed on their way to it.
pub(crate) struct WithSettings {
    policy: Arc<dyn Policy>,
    edit: Arc<SettingsEdit>,
    is_rejected: Arc<AtomicBool>,
}

impl WithSettings {
    /// `policy` with changed settings. The flag is set once it has rejected them.
    pub(crate) fn new(policy: Arc<dyn Policy>, edit: Arc<SettingsEdit>, is_rejected: Arc<AtomicBool>) -> Self {
        Self { policy, edit, is_rejected }
    }
}

impl Policy for WithSettings {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        let (edit, is_rejected) = (Arc::clone(&self.edit), Arc::clone(&self.is_rejected));
        Ok(Box::new(InstanceWithSettings { instance: self.policy.start(context)?, edit, is_rejected }))
    }

    fn is_provisional(&self) -> bool {
        self.policy.is_provisional()
    }

    fn is_settled(&self) -> bool {
        self.policy.is_settled()
    }

    fn settle(&self) -> Result<(), String> {
        self.policy.settle()
    }
}

struct InstanceWithSettings {
    instance: Box<dyn Instance>,
    edit: Arc<SettingsEdit>,
    is_rejected: Arc<AtomicBool>,
}

impl Instance for InstanceWithSettings {
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault> {
        let verdict = self.instance.validate_settings(&self.edit.applied(settings));
        let is_rejected = match &verdict {
            Ok(verdict) => !verdict.valid,
            Err(fault) => fault.kind == FaultKind::Guest,
        };
        if is_rejected {
            self.is_rejected.store(true, Ordering::Relaxed);
        }
        verdict
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        self.instance.validate(request, &self.edit.applied(settings))
    }

    fn output(&self) -> GuestOutput {
        self.instance.output()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_there_changes() {
        for (path, value, wanted) in [
            (&["a"][..], None, json!({ "b": { "c": 1 } })),
            (&["b", "c"], None, json!({ "a": true, "b": {} })),
            (&["b", "c"], Some(json!(2)), json!({ "a": true, "b": { "c": 2 } })),
            (&["b", "d"], Some(json!(2)), json!({ "a": true, "b": { "c": 1 } })),
            (&["a", "c"], None, json!({ "a": true, "b": { "c": 1 } })),
        ] {
            let edit = SettingsEdit { steps: path.iter().map(|&step| step.to_owned()).collect(), value };
            let settings = json!({ "a": true, "b": { "c": 1 } });
            assert_eq!(Value::Object(edit.applied(settings.as_object().unwrap())), wanted, "{path:?}");
        }
    }
}
