//! Secrets in command lines, where the word before says what the next one is.

use std::ops::Range;

use super::kind::{Kind, is_placeholder};
use super::names;

/// Programs that take a password behind `-p`, without a blank.
const PROGRAMS: [&str; 6] = ["mysql", "mariadb", "mongo", "sshpass", "7z", "clickhouse"];

/// A secret: the number of its word, and where in the word it is.
pub(super) type Found = (usize, Range<usize>, Kind);

/// The secrets of a command line, of which the image may be the program.
pub(super) fn secrets(words: &[&str], image: &str) -> Vec<Found> {
    let has_program = words.iter().chain([&image]).any(|word| PROGRAMS.iter().any(|it| word.contains(it)));
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if let Some(password) = word.strip_prefix("-p").filter(|it| is_password(it, has_program)) {
            found.push((index, word.len() - password.len()..word.len(), Kind::Token));
        }
        let Some(next) = words.get(index + 1).filter(|next| is_value(next)) else { continue };
        match *word {
            "-u" | "--user" => found.extend(user(index + 1, next)),
            "-p" if has_program || !is_plain(next) => found.push((index + 1, 0..next.len(), Kind::Token)),
            flag if is_secret_flag(flag) => found.push((index + 1, 0..next.len(), Kind::Token)),
            _ => {}
        }
    }
    found
}

/// Whether a word is the value of the flag in front of it, and not a flag that is looked at itself.
fn is_value(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && !is_reference(word) && !is_placeholder(word)
}

/// Whether the value is a variable that is set elsewhere.
pub(super) fn is_reference(value: &str) -> bool {
    let inner = value.strip_prefix('$').unwrap_or_default();
    let inner = inner.trim_start_matches(['(', '{']).trim_end_matches([')', '}']);
    !inner.is_empty() && inner.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_')
}

fn is_secret_flag(flag: &str) -> bool {
    flag.strip_prefix('-').is_some_and(|name| !name.contains(['=', ' ']) && names::is_secret(name))
}

/// `alice:password`
fn user(index: usize, word: &str) -> Vec<Found> {
    let is_number = word.starts_with(|it: char| it.is_ascii_digit());
    match word.find(':').filter(|_| !is_number) {
        Some(colon) if is_placeholder(&word[..colon]) && is_placeholder(&word[colon + 1..]) => Vec::new(),
        Some(colon) => vec![(index, 0..colon, Kind::User), (index, colon + 1..word.len(), Kind::Token)],
        None => Vec::new(),
    }
}

/// What is behind `-p`: other flags have it too, such as `-port=80` and `-p8080:80`.
fn is_password(rest: &str, has_program: bool) -> bool {
    let is_odd = rest.contains(|it: char| it.is_ascii_digit() || it.is_ascii_uppercase() || it.is_ascii_punctuation());
    let is_known = rest.is_empty() || is_reference(rest) || is_placeholder(rest);
    !is_known && (has_program || (is_odd && !rest.contains('=') && !is_plain(rest)))
}

/// A path, a port, another flag.
fn is_plain(word: &str) -> bool {
    word.contains('/')
        || word.starts_with(['-', '.'])
        || word.chars().all(|it| it.is_ascii_digit() || matches!(it, ':' | '-' | ','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, image: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let mut shown: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        for (index, range, kind) in secrets(&words, image).into_iter().rev() {
            shown[index].replace_range(range, if kind == Kind::User { "<user>" } else { "<token>" });
        }
        shown.join(" ")
    }

    #[test]
    fn words_behind_flags_are_secret() {
        for (line, wanted) in [
            ("x --token hunter2", "x --token <token>"),
            ("x --db-password hunter2 -v", "x --db-password <token> -v"),
            ("x -token hunter2", "x -token <token>"),
            ("x -p hunter2", "x -p <token>"),
            ("mysql -phunter", "mysql -p<token>"),
            ("-pHunter2short", "-p<token>"),
            ("curl -u bob:hunter2 x", "curl -u <user>:<token> x"),
            ("mkdir -p /data", "mkdir -p /data"),
            ("mkdir -p .", "mkdir -p ."),
            ("x -p 8080:80 -p8080:80 -port=80 -profile -p", "x -p 8080:80 -p8080:80 -port=80 -profile -p"),
            ("x --token $(TOKEN) --password ${P}", "x --token $(TOKEN) --password ${P}"),
            ("x --token -v", "x --token -v"),
            ("mysql -p -phunter -u -pa:b", "mysql -p -p<token> -u -p<token>"),
            ("mysql -ptoken-1 --token token-2 -u user-1:token-3", "mysql -ptoken-1 --token token-2 -u user-1:token-3"),
            ("x --token-file /x", "x --token-file /x"),
            ("docker -u 1000:1000", "docker -u 1000:1000"),
        ] {
            assert_eq!(shown(line, ""), wanted, "{line}");
        }
        assert_eq!(shown("-phunter", "mysql:8"), "-p<token>");
    }
}
