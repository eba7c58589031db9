//! `compat: server`: where a policy gives no verdict, the case has policy-server's answer.
//!
//! A fault carries that answer from where it is made; one that the server does not know stays a fault. So does a host call
//! without a mock, which is added later and outranks everything.

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, ServerAnswer};
use policy_verify_model::suite::Compat;

/// The answer as `compat` has it. It is the policy's own answer still: the deployment is yet to be applied to it.
pub(super) fn answer(answer: Answer, compat: Compat, uid: &str) -> Answer {
    let fault = match (answer, compat) {
        (Err(fault), Compat::Server) => fault,
        (answer, _) => return answer,
    };
    match fault.at_server {
        Some(ServerAnswer::Rejects(message)) => Ok(AdmissionResponse::internal_error(uid, message)),
        Some(ServerAnswer::Allows) => {
            Ok(AdmissionResponse { uid: uid.to_owned(), allowed: true, ..AdmissionResponse::default() })
        }
        // Comes after the deployment.
        Some(ServerAnswer::NotServed(_)) | None => Err(fault),
    }
}

/// The answer about a policy that the server does not serve. The deployment does not apply to it, so this comes last.
pub(super) fn not_served(answer: Answer, compat: Compat, uid: &str) -> Answer {
    match (answer, compat) {
        (Err(Fault { at_server: Some(ServerAnswer::NotServed(message)), .. }), Compat::Server) => {
            Ok(AdmissionResponse::internal_error(uid, message))
        }
        (answer, _) => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_model::answer::FaultKind;

    fn bytes(answer: Answer) -> String {
        serde_json::to_string(&answer.unwrap()).unwrap()
    }

    #[test]
    fn only_what_the_server_knows_becomes_its_answer() {
        let fault = Fault::new(FaultKind::Trap, "ours");
        let rejected = fault.clone().at_server(ServerAnswer::Rejects("theirs".into()));
        let allowed = fault.clone().at_server(ServerAnswer::Allows);
        for known in [&rejected, &allowed] {
            assert_eq!(answer(Err(known.clone()), Compat::Strict, "u1"), Err(known.clone()));
        }
        assert_eq!(answer(Err(fault.clone()), Compat::Server, "u1"), Err(fault));
        assert_eq!(
            bytes(answer(Err(rejected), Compat::Server, "u1")),
            r#"{"uid":"u1","allowed":false,"status":{"message":"theirs","code":500},"auditAnnotations":null,"warnings":null}"#
        );
        assert_eq!(
            bytes(answer(Err(allowed), Compat::Server, "u1")),
            r#"{"uid":"u1","allowed":true,"auditAnnotations":null,"warnings":null}"#
        );
    }
}
