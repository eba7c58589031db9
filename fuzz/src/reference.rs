//! References to policies: `registry://`, `https://` and names as registries write them.

use policy_verify_model::policy::PolicyRef;
use policy_verify_model::{location, reference as names};
use policy_verify_registry::publish;

use super::checks;

/// A reference in its normal form is read as itself; of an invalid one it is said what to write.
pub fn reference(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match names::parse(&text) {
        Ok(image) => {
            let whole = image.to_string();
            let again = names::parse(&whole).unwrap_or_else(|error| panic!("{whole}: {error}"));
            assert_eq!(again.to_string(), whole, "{text:?}");
            assert!(!whole.contains(|letter: char| letter.is_whitespace() || letter.is_control()), "{whole:?}");
        }
        Err(error) => {
            assert!(!error.message.is_empty() && !error.help.is_empty(), "{text:?}");
            assert!(error.message.len() + error.help.len() < 8 * 1024, "{} bytes about {text:?}", error.message.len());
        }
    }
    if let Some((scheme, _)) = text.split_once("://") {
        match location::parse(scheme, &text) {
            Ok(PolicyRef::Registry(name)) => {
                let uri = format!("registry://{name}");
                assert_eq!(location::parse("registry", &uri), Ok(PolicyRef::Registry(name)), "{text:?}");
            }
            Ok(PolicyRef::Web(url)) => {
                assert_eq!(location::parse(scheme, &url), Ok(PolicyRef::Web(url.clone())), "{text:?}");
                let url = url::Url::parse(&url).expect("a URL in its normal form");
                assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{url}");
            }
            Ok(PolicyRef::File(path)) => panic!("{} is no file", path.display()),
            Err(mistake) => checks::mistake(&mistake),
        }
    }
    match publish::reference(&text) {
        Ok(image) => assert!(publish::reference(&format!("registry://{image}")).is_ok(), "{image}"),
        Err(mistake) => checks::mistake(&mistake),
    }
}
