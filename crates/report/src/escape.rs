//! Escapes untrusted text for its destination.
//!
//! Messages and logs come from the policies under test, names from suites of pull requests. None of it may move the
//! cursor, forge a workflow command, break out of a table or make a document unreadable. Dangerous characters are made
//! visible, never dropped.
//!
//! Making text visible can be done twice without harm; encoding it (for GitHub, Markdown, a shell) is done last, once.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Control characters, direction overrides and other invisible characters in a visible form; line breaks stay, tabs
/// become four spaces, `\r\n` becomes `\n`.
///
/// The C0 characters turn into Unicode's control pictures (`␛[31m`), the others into `\u{202e}`. What is left is also
/// legal in XML 1.0.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => shown.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\t' => shown.push_str("    "),
            '\0'..='\x1f' => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('␀')),
            '\x7f' => shown.push('␡'),
            c if is_deceptive(c) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Characters that change how their neighbours are shown, or cannot be seen at all. The zero-width joiner is left
/// alone, because emoji are made with it.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// For a terminal, which may be the log of a CI job: `visible`, and no line is a command to the runner.
///
/// GitHub's runner reads `::name::` at the start of a line, blanks before it included, and `##[` anywhere in a line;
/// Azure's reads `##vso[`, TeamCity's `##teamcity[`. A backslash breaks them: `\::error::`, `##\[group]`. This is done
/// always, not only under CI, so that the same run always reads the same.
pub fn terminal(text: &str) -> String {
    let shown = visible(text);
    if !shown.contains("::") && !shown.contains("##") {
        return shown;
    }
    shown.split('\n').map(without_commands).collect::<Vec<_>>().join("\n")
}

/// One line in which no runner finds a command.
pub(crate) fn without_commands(line: &str) -> Cow<'_, str> {
    let mut safe = Cow::Borrowed(line);
    for opening in ["[", "vso[", "teamcity["] {
        let command = format!("##{opening}");
        if safe.contains(&command) {
            safe = Cow::Owned(safe.replace(&command, &format!("##\\{opening}")));
        }
    }
    let text = safe.trim_start();
    if text.starts_with("::") {
        let blanks = safe.len() - text.len();
        let defused = format!("{}\\{}", &safe[..blanks], &safe[blanks..]);
        safe = Cow::Owned(defused);
    }
    safe
}

/// On one line of a terminal: [`terminal`] with line breaks shown as `␊`.
pub fn terminal_line(text: &str) -> String {
    let text = visible(text.trim_end()).replace('\n', "␊");
    without_commands(&text).into_owned()
}

/// For the message of a GitHub workflow command. Control characters become visible before the encoding.
pub(crate) fn github_data(text: &str) -> String {
    terminal(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// For a property (`file=`, `title=`) of a GitHub workflow command.
pub(crate) fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// For a finished JSON document: the same document without `##`, by which a runner would recognise a command in a log, and
/// without characters that deceive. Outside of strings JSON has none of them, and inside an escape such as `\u0023` means
/// the same.
pub fn json(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    let mut is_behind_hash = false;
    for c in document.chars() {
        if c == '#' && is_behind_hash {
            safe.push_str("\\u0023");
        } else if c == '\x7f' || is_deceptive(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
        is_behind_hash = c == '#' && !is_behind_hash;
    }
    safe
}

/// For text or attributes of an XML document. The markup itself is escaped by the XML writer; this takes care of the
/// characters that XML 1.0 cannot hold even when they are escaped, and of commands, because the document may be
/// written to a log.
pub(crate) fn xml(text: &str) -> String {
    terminal(text)
}

/// For running text, headings and table cells of GitHub's Markdown, and equally for HTML inside it: one line, in which
/// every character that could be markup, a link, a mention or an emoji is a character reference. CommonMark takes
/// references literally, so they cannot start anything.
pub(crate) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = terminal_line(text);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // `suite.yml:24` stays readable in the raw text; `https://` and `:smile:` stay what they are in the other.
            ':' if !chars.peek().is_some_and(|next| "/+-_".contains(*next) || next.is_alphabetic()) => escaped.push(c),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '@' | '~' | '\\' | '!' | '$' | ':' | '\'' => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// For text and quoted attributes of an HTML document; line breaks stay.
pub(crate) fn html(text: &str) -> String {
    let text = terminal(text);
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The same on one line, of bearable length: for names.
pub(crate) fn html_line(text: &str) -> String {
    html(&shorten(text.trim_end(), 1_000)).replace('\n', "␊")
}

/// A fenced block of Markdown that `text` cannot end: the fence is longer than any run of backticks in it.
pub(crate) fn markdown_block(language: &str, text: &str) -> String {
    let text = terminal(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// At most `limit` characters of `text`; what is missing is counted.
pub(crate) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            let left_out = text[end..].chars().count();
            Cow::Owned(format!("{}… ({left_out} more characters)", &text[..end]))
        }
    }
}

/// At most `limit` characters of `text`, the last one an ellipsis when something is missing: for titles and columns.
pub fn shorten(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
            Cow::Owned(format!("{kept}…"))
        }
    }
}

/// One word of a POSIX shell command that stands for exactly `text`.
///
/// The result is printed into logs, so it must not hold what [`terminal`] would change: `##` is broken up by a pair of
/// quotes that the shell removes, and control characters are made by `printf`, because dash has no `$'…'`. Line breaks
/// at the end of `text` are lost then; no name has them.
pub fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    if visible(text) == text && !text.contains('\n') {
        return format!("'{}'", text.replace('\'', "'\\''").replace("##", "##''"));
    }
    let mut word = String::from("\"$(printf '");
    for c in text.chars() {
        match c {
            '\\' => word.push_str("\\\\"),
            '%' => word.push_str("%%"),
            // Bytes rather than code points, which not every printf knows. An interactive shell looks for `!`
            // everywhere, and `-` might begin an option.
            c if c.is_ascii_control() || "'#!-".contains(c) || is_deceptive(c) => {
                for byte in c.to_string().bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(word, "\\{byte:03o}");
                }
            }
            c => word.push(c),
        }
    }
    word.push_str("')\"");
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(visible("a\x1b[31mred\x07\tb\r\nc\rd"), "a␛[31mred␇    b\nc␍d");
        assert_eq!(visible("\u{202e}evil\u{9b}1m\u{7f}"), "\\u{202e}evil\\u{9b}1m␡");
        assert_eq!(visible("👩‍💻 naïve 日本"), "👩‍💻 naïve 日本");
    }

    #[test]
    fn no_line_stays_a_command() {
        assert_eq!(terminal("::error::x\n  ::stop-commands::y"), "\\::error::x\n  \\::stop-commands::y");
        assert_eq!(terminal("a ###[group]b ##vso[task]"), "a ###\\[group]b ##\\vso[task]");
        assert_eq!(terminal("std::fmt ## heading"), "std::fmt ## heading");
        assert_eq!(terminal("\u{a0}::error::"), "\u{a0}\\::error::");
    }

    #[test]
    fn harmless_text_stays_harmless_when_escaped_twice() {
        for text in ["::a", "##[x]", "\x1b", "\u{feff}", "plain", "a\tb"] {
            assert_eq!(terminal(&terminal(text)), terminal(text));
        }
    }

    #[test]
    fn workflow_commands_are_percent_encoded() {
        assert_eq!(github_data("100%\r\n%0A::"), "100%25%0A%250A::");
        assert_eq!(github_property("a: b, 5%\n"), "a%3A b%2C 5%25%0A");
    }

    #[test]
    fn json_keeps_its_meaning() {
        for text in [
            "###[group] \\##vso[x] #",
            "a\u{202e}b\u{2028}c\u{85}d\u{7f}e\u{feff}",
            "\u{e0041}\u{200b}\u{2066}",
            "naïve 日本 👩‍💻",
        ] {
            let document = json(&serde_json::to_string(text).unwrap());
            assert!(!document.contains("##"), "{document}");
            assert_eq!(visible(&document), document);
            assert_eq!(serde_json::from_str::<String>(&document).unwrap(), text);
            assert_eq!(json(&document), document);
        }
    }

    #[test]
    fn markdown_cannot_become_markup() {
        assert_eq!(markdown("<b>|`x`|</b> @team #1"), "&lt;b&gt;&#124;&#96;x&#96;&#124;&lt;/b&gt; &#64;team &#35;1");
        assert_eq!(markdown("a\nb"), "a␊b");
        assert_eq!(markdown("suite.yml:24: https://x :tada:"), "suite.yml:24: https&#58;//x &#58;tada:");
    }

    #[test]
    fn html_cannot_become_markup() {
        assert_eq!(html("</script><b a='x\">&amp;\n\x1b"), "&lt;/script&gt;&lt;b a=&#39;x&quot;&gt;&amp;amp;\n␛");
        assert_eq!(html_line("a\nb\n"), "a␊b");
        assert_eq!(html("::error::x\n##[group]"), "\\::error::x\n##\\[group]");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(markdown_block("diff", "a\n````\nb"), "`````diff\na\n````\nb\n`````\n");
        assert_eq!(markdown_block("", "x"), "```\nx\n```\n");
    }

    #[test]
    fn long_text_is_cut_and_counted() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü… (1 more characters)");
        assert_eq!(shorten("äöüß", 3), "äö…");
    }

    #[test]
    fn shell_words_stand_for_the_text_they_quote() {
        for text in [
            "suite.yml",
            "a b",
            "it's",
            "",
            "##[group] $HOME `x` \"y\" \\",
            "a\nb",
            "\x1b[1m'#",
            "--100%!\\\t%s",
            "é › ü",
            "\u{202e}",
        ] {
            let quoted = shell(text);
            assert_eq!(terminal(&quoted), quoted, "{text:?} is not safe to print");
            for shell in ["sh", "bash"] {
                let line = format!("printf %s {quoted}");
                let output = std::process::Command::new(shell).args(["-c", &line]).output().unwrap();
                assert_eq!(String::from_utf8_lossy(&output.stdout), text, "{shell}: {quoted}");
            }
        }
    }
}
