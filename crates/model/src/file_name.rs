//! Names of files that are made from names of cases: readable, bounded, the same on every system, and no two alike.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

/// Longest name that is made of words alone, in bytes; behind a longer one stands a digest.
const LONGEST: usize = 100;

/// Digits of a digest behind a name. Where they are not enough, all of them stand there.
const DIGITS: [usize; 2] = [8, 64];

/// Names that mean something else: devices of Windows, whatever their extension, and a suite to who looks for suites.
const TAKEN: [&str; 5] = ["con", "prn", "aux", "nul", "suite"];

/// A name for each case, without extension: its words, and a digest where they do not tell it from other cases. The first
/// of a pair is the name of the case, the second one tells it from all others. Names depend on nothing but all pairs.
pub fn unique<'a>(cases: &[(&'a str, &'a str)]) -> Vec<String> {
    let words: Vec<String> = cases.iter().map(|(name, _)| words(name)).collect();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    words.iter().for_each(|words| *numbers.entry(words).or_default() += 1);
    let is_clear = |words: &str| numbers[words] == 1 && is_clear(words);
    let name = |digits: usize| {
        let named = words.iter().zip(cases).map(move |(words, (_, identity))| match is_clear(words) {
            true => words.clone(),
            false => with_digest(words, identity, digits),
        });
        named.collect::<Vec<String>>()
    };
    let names = name(DIGITS[0]);
    let are_different = names.iter().collect::<HashSet<_>>().len() == names.len();
    if are_different { names } else { name(DIGITS[1]) }
}

/// The words of a name, and a digest of what tells it from others.
pub fn with_digest(words: &str, identity: &str, digits: usize) -> String {
    let digest = hex::encode(Sha256::digest(identity));
    let (cut, digits) = (&words[..words.floor_char_boundary(LONGEST)], &digest[..digits.min(digest.len())]);
    match cut.trim_end_matches('-') {
        "" => digits.to_owned(),
        cut => format!("{cut}-{digits}"),
    }
}

/// Lower-case letters and digits with dashes between them.
pub fn words(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// Whether words alone are a name: they fit, they mean nothing else, and nobody takes them for some with a digest.
fn is_clear(words: &str) -> bool {
    let last = words.rsplit('-').next().unwrap_or_default();
    let is_digest = DIGITS.contains(&last.len()) && last.bytes().all(|letter| letter.is_ascii_hexdigit());
    !words.is_empty() && words.len() <= LONGEST && !is_digest && !is_taken(words)
}

fn is_taken(words: &str) -> bool {
    let is_port = ["com", "lpt"].iter().any(|port| words.strip_prefix(port).is_some_and(|rest| rest.len() == 1));
    is_port || TAKEN.contains(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cases: &[&str]) -> Vec<String> {
        unique(&cases.iter().map(|case| (*case, *case)).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_those_of_cases() {
        assert_eq!(
            names(&["accepts \"a\" pod [owner=team-a, n=1.5]", "../../etc/passwd"]),
            ["accepts-a-pod-owner-team-a-n-1-5", "etc-passwd"]
        );
    }

    #[test]
    fn what_words_do_not_tell_apart_a_digest_does() {
        let long = "a".repeat(300);
        let made = names(&["A pod", "a pod!", "日本", "中国", &long, "nul", "COM1", "commit", "suite"]);
        let digest = |name: &str| hex::encode(Sha256::digest(name))[..8].to_owned();
        assert_eq!(made[0], format!("a-pod-{}", digest("A pod")));
        assert_eq!(made[1], format!("a-pod-{}", digest("a pod!")));
        assert_eq!(made[2], digest("日本"));
        assert_eq!(made[4].len(), LONGEST + 9);
        assert_eq!((made[5].len(), made[6].len(), made[7].as_str()), (12, 13, "commit"));
        assert_eq!(made[8], format!("suite-{}", digest("suite")));
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    }

    /// A case may be called as the file of another one.
    #[test]
    fn no_name_is_taken_for_one_with_a_digest() {
        let digest = |digits: usize| hex::encode(Sha256::digest("A"))[..digits].to_owned();
        for digits in DIGITS {
            let made = names(&["a", "A", &format!("a {}", digest(digits))]);
            assert_eq!(made.iter().collect::<HashSet<_>>().len(), 3, "{made:?}");
        }
    }

    #[test]
    fn another_case_renames_none_that_is_clear() {
        assert_eq!(names(&["a b", "c"])[0], names(&["a b", "c", "C", "d"])[0]);
    }
}
