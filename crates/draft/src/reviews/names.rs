//! Names whose values are secret: keys of mappings, headers, variables and flags.

/// Ends of such names, in small letters and without what separates words.
const ENDS: &[&str] = &[
    "token",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "credential",
    "apikey",
    "accesskey",
    "accesskeyid",
    "accountkey",
    "authkey",
    "encryptionkey",
    "masterkey",
    "privatekey",
    "secretkey",
    "secretkeybase",
    "sharedkey",
    "signingkey",
    "authorization",
    "cookie",
];

/// Names that end like this, and whose values are names of objects.
const NOT: &[&str] = &["imagepullsecret"];

/// What stands below a secret key and only says where its value is, or of which kind it is.
const REFERENCES: &[&str] = &[
    "algorithm",
    "apiGroup",
    "apiVersion",
    "audience",
    "audiences",
    "encoding",
    "items",
    "key",
    "kind",
    "name",
    "namespace",
    "path",
    "rotationPolicy",
    "secretName",
    "source",
    "type",
    "valueFrom",
];

/// Whether a value of this name is secret: `dbPassword`, `X-Api-Key`, `acme.test/deploy-token`.
pub(super) fn is_secret(name: &str) -> bool {
    let words: String = name.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect();
    let one = words.strip_suffix('s').unwrap_or(&words);
    let is_short = name.to_ascii_lowercase().rsplit(['-', '_', '.', '/']).next().is_some_and(|it| it == "pass");
    !NOT.contains(&one) && (is_short || ENDS.iter().any(|end| one.ends_with(end)))
}

/// Whether a member of a secret value is not secret itself.
pub(super) fn is_reference(key: &str) -> bool {
    REFERENCES.contains(&key) || key.ends_with("Ref")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names_are_known_by_their_end() {
        for name in [
            "dbPassword",
            "clientSecret",
            "X-Api-Key",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "acme.test/deploy-token",
            "Authorization",
            "apiKeys",
            "MYSQL_PASS",
            "token",
            "private_key",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["secretName", "tokenRequest", "bypass", "key", "imagePullSecrets", "passwordSecretRef", "compass"]
        {
            assert!(!is_secret(name), "{name}");
        }
        assert!(is_reference("secretKeyRef") && is_reference("name") && !is_reference("value"));
    }
}
