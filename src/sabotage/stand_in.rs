//! A policy whose answers are changed. It runs as it is, host calls included: only what it answers is another thing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use policy_verify_engine::{Context, GuestOutput, Instance, Policy};
use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, SettingsVerdict, Status};
use policy_verify_model::policy::Settings;
use policy_verify_model::request::Request;
use policy_verify_model::sabotage::StandIn;

/// A message that no policy has.
const OTHER_MESSAGE: &str = "sabotaged by verify";

/// A code that no policy gives: those of HTTP end at 599.
const OTHER_CODE: u16 = 599;

/// A mutation that no policy makes.
const OTHER_PATCH: &str = r#"[{"op":"add","path":"/sabotagedByVerify","value":true}]"#;

/// A policy that does something else.
pub(crate) struct Sabotaged {
    policy: Arc<dyn Policy>,
    stand_in: StandIn,
    has_changed: Arc<AtomicBool>,
}

impl Sabotaged {
    /// `policy` that does what `stand_in` says. The flag is set once an answer has changed.
    pub(crate) fn new(policy: Arc<dyn Policy>, stand_in: StandIn, has_changed: Arc<AtomicBool>) -> Self {
        Self { policy, stand_in, has_changed }
    }
}

impl Policy for Sabotaged {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        let (stand_in, has_changed) = (self.stand_in, Arc::clone(&self.has_changed));
        Ok(Box::new(SabotagedInstance { instance: self.policy.start(context)?, stand_in, has_changed }))
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

struct SabotagedInstance {
    instance: Box<dyn Instance>,
    stand_in: StandIn,
    has_changed: Arc<AtomicBool>,
}

impl SabotagedInstance {
    /// `answer`, and what it is instead.
    fn replace<T: PartialEq>(&self, answer: T, instead: impl FnOnce(&T) -> T) -> T {
        let other = instead(&answer);
        if other != answer {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        other
    }
}

impl Instance for SabotagedInstance {
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault> {
        let verdict = self.instance.validate_settings(settings)?;
        Ok(self.replace(verdict, |verdict| settings_instead(self.stand_in, verdict)))
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        let response = self.instance.validate(request, settings)?;
        Ok(self.replace(response, |response| response_instead(self.stand_in, response)))
    }

    fn output(&self) -> GuestOutput {
        self.instance.output()
    }
}

fn settings_instead(stand_in: StandIn, verdict: &SettingsVerdict) -> SettingsVerdict {
    let is_valid = match stand_in {
        StandIn::AcceptsSettings => true,
        StandIn::RejectsSettings => false,
        _ => return verdict.clone(),
    };
    if verdict.valid == is_valid {
        return verdict.clone();
    }
    SettingsVerdict { valid: is_valid, message: None, ..verdict.clone() }
}

fn response_instead(stand_in: StandIn, response: &AdmissionResponse) -> AdmissionResponse {
    let verdict = |allowed| AdmissionResponse { uid: response.uid.clone(), allowed, ..AdmissionResponse::default() };
    let with_status = |change: &dyn Fn(&mut Status)| {
        let mut status = response.status.clone().unwrap_or_default();
        change(&mut status);
        AdmissionResponse { status: Some(status), ..response.clone() }
    };
    let has_code = response.code().is_some();
    match stand_in {
        StandIn::AlwaysAllows if !response.allowed || response.patch.is_some() => verdict(true),
        StandIn::AlwaysDenies if response.allowed => verdict(false),
        StandIn::OtherMessage if !response.allowed => {
            with_status(&|status| status.message = Some(OTHER_MESSAGE.to_owned()))
        }
        StandIn::OtherCode if !response.allowed && has_code => with_status(&|status| status.code = Some(OTHER_CODE)),
        StandIn::NeverMutates if response.patch.is_some() => {
            AdmissionResponse { patch: None, patch_type: None, ..response.clone() }
        }
        StandIn::MutatesElsewhere if response.patch.is_some() => {
            AdmissionResponse { patch: Some(STANDARD.encode(OTHER_PATCH)), ..response.clone() }
        }
        _ => response.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(allowed: bool, patch: Option<&str>, status: Option<(&str, Option<u16>)>) -> AdmissionResponse {
        let status = status.map(|(message, code)| Status { message: Some(message.into()), code, ..Status::default() });
        AdmissionResponse {
            uid: "u".into(),
            allowed,
            patch: patch.map(Into::into),
            status,
            ..AdmissionResponse::default()
        }
    }

    #[test]
    fn each_stand_in_changes_what_it_is_about_and_nothing_else() {
        use StandIn::*;
        let allowed = response(true, None, None);
        let mutated = response(true, Some("cGF0Y2g="), None);
        let denied = response(false, None, Some(("no", None)));
        let with_code = response(false, None, Some(("no", Some(400))));
        for (answer, changed_by) in [
            (&allowed, &[AlwaysDenies][..]),
            (&mutated, &[AlwaysAllows, AlwaysDenies, NeverMutates, MutatesElsewhere]),
            (&denied, &[AlwaysAllows, OtherMessage]),
            (&with_code, &[AlwaysAllows, OtherMessage, OtherCode]),
        ] {
            let found: Vec<StandIn> =
                StandIn::ALL.into_iter().filter(|it| response_instead(*it, answer) != *answer).collect();
            assert_eq!(found, changed_by, "{answer:?}");
        }
        assert_eq!(response_instead(OtherMessage, &with_code).code(), Some(400));
        assert_eq!(response_instead(OtherCode, &with_code).message(), Some("no"));
    }

    #[test]
    fn settings_are_changed_by_two() {
        let verdict = |valid| SettingsVerdict { valid, message: None, at_server: None };
        for (stand_in, valid, instead) in [
            (StandIn::AcceptsSettings, false, true),
            (StandIn::AcceptsSettings, true, true),
            (StandIn::RejectsSettings, true, false),
            (StandIn::AlwaysDenies, true, true),
        ] {
            assert_eq!(settings_instead(stand_in, &verdict(valid)), verdict(instead));
        }
    }
}
