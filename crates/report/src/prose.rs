//! Texts in Markdown, such as the usage of a policy: laid out for a terminal, or as they are.

use std::borrow::Cow;

use termimad::{Alignment, MadSkin};

use crate::escape;
use crate::style::Style;

/// Characters shown; a text that is longer is read elsewhere.
const MOST: usize = 64 * 1024;

/// The lines of the text, each one harmless: it holds no control sequence but those of the layout.
pub fn lines(markdown: &str, style: &Style, is_rendered: bool) -> Vec<String> {
    let markdown = escape::cut(markdown, MOST);
    let markdown = escape::visible(markdown.trim());
    let text = if is_rendered { rendered(&markdown, style).into() } else { Cow::Borrowed(markdown.as_str()) };
    text.lines().map(|line| escape::without_commands(line.trim_end()).into_owned()).collect()
}

fn rendered(markdown: &str, style: &Style) -> String {
    let mut skin = if style.colour { MadSkin::default() } else { MadSkin::no_style() };
    for header in &mut skin.headers {
        header.align = Alignment::Left;
    }
    let mut text = String::new();
    let mut prose = String::new();
    let mut fence = None;
    for line in joined(markdown).lines() {
        match fence {
            // Code is there to be copied: its lines are not broken.
            Some(mark) if fence_of(line) != Some(mark) => text = text + CODE + line + "\n",
            Some(_) => fence = None,
            None => {
                fence = fence_of(line);
                match fence {
                    Some(_) => text += &skin.text(&std::mem::take(&mut prose), width_of(style)).to_string(),
                    None => prose = prose + line + "\n",
                }
            }
        }
    }
    text + &skin.text(&prose, width_of(style)).to_string()
}

/// Before each line of code.
const CODE: &str = "  ";

fn width_of(style: &Style) -> Option<usize> {
    Some(style.width.saturating_sub(2))
}

/// The mark of a line that begins or ends a block of code.
fn fence_of(line: &str) -> Option<&'static str> {
    ["```", "~~~"].into_iter().find(|fence| line.trim_start().starts_with(fence))
}

/// The text with every paragraph in one line: breaks of the source are none for the reader, who has another width.
fn joined(markdown: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let (mut fence, mut is_open) = (None, false);
    for line in markdown.lines() {
        let mark = fence_of(line);
        let is_fence = mark.is_some() && fence.is_none_or(|open| mark == Some(open));
        let goes_on = is_open && !is_fence && !begins_block(line);
        match lines.last_mut().filter(|_| goes_on) {
            Some(paragraph) => {
                paragraph.push(' ');
                paragraph.push_str(line.trim_start());
            }
            None => lines.push(line.to_owned()),
        }
        if is_fence {
            fence = if fence.is_none() { mark } else { None };
        }
        let is_text = is_item(line) || !begins_block(line) && (goes_on || !line.starts_with("    "));
        // Two blanks or a backslash at the end are a break that is meant.
        is_open = fence.is_none() && !is_fence && is_text && !line.ends_with("  ") && !line.ends_with('\\');
    }
    lines.join("\n")
}

/// Whether a line cannot be the next one of a paragraph.
fn begins_block(line: &str) -> bool {
    let text = line.trim();
    let is_rule = !text.is_empty() && text.bytes().all(|byte| b"-=*_ ".contains(&byte));
    text.is_empty() || is_rule || text.starts_with(['#', '>', '|', '<']) || is_item(line)
}

/// Whether a line begins an entry of a list: `- a`, `* a`, `1. a`.
fn is_item(line: &str) -> bool {
    let text = line.trim_start();
    let (mark, rest) = text.split_once(' ').unwrap_or((text, ""));
    let number = mark.strip_suffix(['.', ')']).unwrap_or("");
    let is_number = !number.is_empty() && number.len() < 10 && number.bytes().all(|byte| byte.is_ascii_digit());
    !rest.is_empty() && (["-", "*", "+"].contains(&mark) || is_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;

    const TEXT: &str = "# Title\n\nA **bold** sentence that is long enough to need a second line on a narrow terminal, \
                        really.\n\n* one\n* two\n\n```yaml\nkey: value\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";

    fn shown(text: &str, colour: bool, is_rendered: bool) -> Vec<String> {
        lines(text, &Style { colour, width: 60, ..Style::default() }, is_rendered)
    }

    #[test]
    fn a_pipe_gets_the_text_as_it_is() {
        assert_eq!(shown(TEXT, false, false).join("\n"), TEXT.trim());
    }

    #[test]
    fn a_terminal_gets_lines_that_fit() {
        let lines = shown(TEXT, false, true);
        assert!(lines.iter().all(|line| layout::width(line) <= 60), "{lines:#?}");
        let text = lines.join("\n");
        assert!(text.contains("Title") && !text.contains("**") && text.contains("\n  key: value\n"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(shown(TEXT, true, true).join("\n").contains('\u{1b}'));
    }

    #[test]
    fn paragraphs_are_laid_out_anew() {
        for (text, wanted) in [
            ("one\ntwo\n\nthree", "one two\n\nthree"),
            ("# Title\none\ntwo", "# Title\none two"),
            ("- one\n  two\n- three\n1. a\nb", "- one two\n- three\n1. a b"),
            ("a\n- b\n  - c\n    d", "a\n- b\n  - c d"),
            ("```yaml\na: 1\nb: 2\n```\nc\nd", "```yaml\na: 1\nb: 2\n```\nc d"),
            ("~~~\na\n\n- b\nc", "~~~\na\n\n- b\nc"),
            ("| a | b |\n|---|---|\n| 1 | 2 |\ntext", "| a | b |\n|---|---|\n| 1 | 2 |\ntext"),
            ("> a\n> b", "> a\n> b"),
            ("a  \nb\\\nc", "a  \nb\\\nc"),
            ("text:\n\n    code\n    more", "text:\n\n    code\n    more"),
            ("Title\n=====\none\ntwo", "Title\n=====\none two"),
            ("a\n1986. was a year", "a\n1986. was a year"),
            ("-5 degrees\nand -\nmore", "-5 degrees and - more"),
        ] {
            assert_eq!(joined(text), wanted, "{text:?}");
        }
        let lines = shown(
            "policies. A YAML file names a policy, requests and the expected\nanswers. So it goes on.",
            false,
            true,
        );
        assert_eq!(
            lines,
            ["policies. A YAML file names a policy, requests and the", "expected answers. So it goes on."]
        );
    }

    #[test]
    fn code_is_not_broken() {
        let code = format!("policies: {{ labels: {{ uri: labels.wasm, metadata: {}.yml }} }}", "long".repeat(20));
        for fence in ["```", "~~~"] {
            let text = format!("text\n\n{fence}yaml\n{code}\n\n- # **a**\n{fence}\n\n| a |\n|---|\n\nmore\ntext");
            let shown = shown(&text, false, true).join("\n");
            assert!(shown.contains(&format!("text\n\n  {code}\n\n  - # **a**\n")), "{shown}");
            assert!(shown.ends_with("\nmore text"), "{shown}");
        }
        // A block that nothing ends.
        assert_eq!(shown("a\n```\nb\nc", false, true), ["a", "  b", "  c"]);
    }

    #[test]
    fn nothing_of_a_stranger_reaches_the_terminal() {
        let text = "\u{1b}[2J::error::x\n\n::error::y ##[group]\n\n- ::warning::z\n\n    ::error::code\n\u{202e}";
        for (colour, is_rendered) in [(false, false), (false, true), (true, true)] {
            for line in shown(text, colour, is_rendered) {
                assert!(!line.contains("\u{1b}[2J") && !line.contains('\u{202e}'), "{line:?}");
                assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
            }
        }
    }

    #[test]
    fn odd_markdown_is_laid_out_all_the_same() {
        let pipes = "|".repeat(5_000);
        let stars = "*".repeat(5_000);
        let deep = "> ".repeat(500) + "  ".repeat(500).as_str() + "* x";
        for text in [&pipes, &stars, &deep, &format!("|{pipes}|\n|-|-|\n|{stars}|"), &"#".repeat(5_000), "```"] {
            let lines = shown(text, true, true);
            assert!(lines.len() < 20_000, "{}", lines.len());
        }
        let long = shown(&"word ".repeat(100_000), false, false).join("\n");
        assert!(long.ends_with("more characters)") && long.len() < 2 * MOST, "{}", long.len());
    }
}
